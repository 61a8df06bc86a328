//! Tables that get columns from their messages, whatever happens meanwhile.

use std::sync::Arc;

use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
use lakewright_config::{UNKNOWN_COLUMN, Unknown};

use super::super::*;
use super::world::{KINDS, Life, World};
use crate::sink::memory::Next;
use crate::sink::{Blame, Sink as _};

const RED: &str = r#"{"table":"sales","data":{"id":"s","colour":"red"}}"#;
const BLUE: &str = r#"{"table":"sales","data":{"id":"s","colour":"blue"}}"#;

/// Tables with the column `unknown`, and a log of rows without the member `colour`, with it, and of others.
fn world() -> World {
    let mut world = World { unknown: Unknown::Evolve, ..World::new() };
    for shelf in &world.shelves[..2] {
        let mut shelf = shelf.lock();
        let mut fields = shelf.schema.as_struct().fields().to_vec();
        fields.push(Arc::new(NestedField::optional(50, UNKNOWN_COLUMN, Type::Primitive(PrimitiveType::String))));
        shelf.schema = Arc::new(Schema::builder().with_fields(fields).build().expect("a schema"));
    }
    world.send(10);
    world.log.extend([RED, BLUE]);
    world.send(10);
    world.log.push(RED);
    world
}

/// Every row of sales is there once, and every colour in the column.
fn assert_coloured(world: &World) {
    let is_sale = |(_, message): &(usize, &&str)| [KINDS[0], RED, BLUE].contains(*message);
    let sales: Vec<i64> = world.log.iter().enumerate().filter(is_sale).map(|(offset, _)| offset as i64).collect();
    assert_eq!(world.offsets(0), sales);
    world.assert_once();
    let shelf = world.shelves[0].lock();
    let with: Vec<_> = shelf.rows.iter().filter(|rows| rows.column_by_name("colour").is_some()).cloned().collect();
    drop(shelf);
    let texts = |column: &str| -> Vec<String> {
        use arrow_array::cast::AsArray as _;
        let of = |rows: &arrow_array::RecordBatch| {
            let values = rows.column_by_name(column).expect("the column").as_string::<i32>().clone();
            values.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        };
        with.iter().flat_map(of).collect()
    };
    assert_eq!(texts("colour"), ["red", "blue", "red"]);
    assert_eq!(texts(UNKNOWN_COLUMN), [""; 0]);
}

/// How many columns an agent added.
fn added(life: &Life) -> u64 {
    let readings = life.metrics.readings();
    readings.iter().filter(|reading| reading.metric == &stream::COLUMNS_ADDED).map(|reading| reading.value as u64).sum()
}

#[tokio::test]
async fn a_member_that_comes_under_way_is_a_column_with_all_its_values() {
    let world = world();
    let mut life = Life::new(&world).await;
    life.settle(&world).await;
    assert_coloured(&world);
    assert_eq!(added(&life), 1);
    // The log has dead letters too, which were judged by the schema before.
    assert_eq!((life.restarts, life.quarantined()), (1, 0));
    // Who begins now knows it.
    let shelf = world.shelves[0].lock();
    assert_eq!(shelf.evolved.len(), 1);
}

#[tokio::test]
async fn what_was_refused_by_the_schema_before_is_no_row_as_well() {
    let mut world = world();
    // The member is refused while no column takes it.
    world.log.push(r#"{"table":"sales","data":{"id":"s","colour":"red","colour":"blue"}}"#);
    let mut life = Life::new(&world).await;
    assert!(life.take_in(&world, world.log.len()).await);
    life.commit(&world).await;
    life.settle(&world).await;
    world.assert_once();
}

#[tokio::test]
async fn the_other_tables_go_on_while_a_table_gets_its_columns() {
    let mut world = world();
    // Without dead letters: what was refused by the schema before is read again together with the rest.
    world.log.iter_mut().filter(|message| KINDS[2..].contains(message)).for_each(|message| *message = KINDS[0]);
    let mut life = Life::new(&world).await;
    assert!(life.read(&world, 12).await);
    assert_eq!((world.offsets(0).len(), world.offsets(1).len()), (0, 2));
    assert!(world.owes("sales"));
    life.settle(&world).await;
    assert_coloured(&world);
}

#[tokio::test]
async fn whatever_happens_to_the_change_no_value_is_lost() {
    for next in [Next::Overtaken, Next::Lost, Next::Refused(Blame::Passing), Next::Refused(Blame::Table)] {
        let world = world();
        let mut life = Life::new(&world).await;
        assert!(life.read(&world, 10).await);
        world.shelves[0].lock().next.push_back(next);
        life.settle(&world).await;
        assert_coloured(&world);
        assert_eq!(world.shelves[0].lock().evolved.len(), 1, "{next:?}");
    }
}

#[tokio::test]
async fn a_table_goes_on_without_the_columns_that_the_catalog_refuses() {
    let mut world = world();
    world.log.push(r#"{"table":"sales","data":{"id":"s","colour":"red","odd":1,"even":2,"size":3}}"#);
    world.shelves[0].lock().refused = vec!["odd", "even"];
    let mut life = Life::new(&world).await;
    life.settle(&world).await;
    assert_eq!((life.restarts, life.quarantined(), added(&life)), (1, 0, 2));
    world.assert_once();
    let shelf = world.shelves[0].lock();
    let name = |field: &Arc<NestedField>| field.name.clone();
    let brought: Vec<String> = shelf.schema.as_struct().fields().iter().rev().take(2).map(name).collect();
    assert_eq!(brought, ["size", "colour"]);
    assert_eq!(shelf.texts(UNKNOWN_COLUMN), [r#"{"odd":1,"even":2}"#]);
}

#[tokio::test]
async fn of_two_agents_one_adds_a_column_and_the_other_takes_it_up() {
    let world = world();
    let mut life = Life::new(&world).await;
    assert!(life.take_in(&world, world.log.len()).await);
    // The other one's rows of another partition want the same column, and another one.
    let column = |name: &str, kind: &str| lakewright_lake::NewColumn {
        name: name.to_owned(),
        member: name.to_owned(),
        column_type: kind.parse().expect("a type"),
    };
    let mut other = crate::sink::memory::MemorySink::new(&world.shelves[0]);
    other.open().await.expect("opened");
    other.add_columns(&[column("size", "long"), column("colour", "string")]).await.expect("added");
    life.commit(&world).await;
    life.settle(&world).await;
    assert_coloured(&world);
    assert_eq!(world.shelves[0].lock().evolved.len(), 2);
    assert_eq!(added(&life), 0);
}

#[tokio::test]
async fn rows_that_can_not_be_written_are_found_in_a_table_that_gets_columns() {
    let world = world();
    world.shelves[0].lock().poison = vec![0, 11];
    let mut life = Life::new(&world).await;
    life.settle(&world).await;
    let sales = world.offsets(0);
    assert!(!sales.contains(&0) && !sales.contains(&11) && sales.contains(&10), "{sales:?}");
    let dead = world.offsets(2);
    assert!(dead.contains(&0) && dead.contains(&11), "{dead:?}");
    world.assert_once();
}
