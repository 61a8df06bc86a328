//! A table whose schema changes under agents that run: no value is lost, and none lands in another column.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::world::{World, add_column, declaration, new_schema};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use futures::TryStreamExt;
use lakewright_config::agents::stream;
use lakewright_config::{Column, ColumnType, DECLARATION, UNKNOWN_COLUMN, Unknown};
use lakewright_lake::load_table;
use lakewright_runtime::Agent;

/// The ids and a text column of all sales.
async fn sales(world: &World, column: &str) -> Vec<(String, Option<String>)> {
    let loaded = load_table(&world.aws, "raw", "sales").await.expect("loaded");
    let scan = loaded.table.scan().select(["sale_id", column]).build().expect("a scan");
    let batches: Vec<RecordBatch> = scan.to_arrow().await.expect("a stream").try_collect().await.expect("read");
    let mut rows = Vec::new();
    for batch in &batches {
        let (ids, values) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        rows.extend(
            ids.iter().zip(values).map(|(id, value)| (id.expect("an id").to_owned(), value.map(str::to_owned))),
        );
    }
    rows.sort();
    rows
}

/// Waits until an agent says something of a kind.
async fn said(agent: &Agent, part: &str) -> String {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        match agent.health.last_error() {
            Some(error) if error.contains(part) => return error,
            other => assert!(Instant::now() < until, "it says {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const COLOURED: fn(u64) -> String = |number| format!(r#""amount":{number}.25,"colour":"c{number}""#);

fn assert_coloured(rows: &[(String, Option<String>)], from: u64, count: usize) {
    assert_eq!(rows.len(), count);
    for (id, colour) in rows {
        let number: u64 = id[1..].parse().expect("a number");
        assert_eq!(*colour, (number >= from).then(|| format!("c{number}")), "of {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_added_by_an_apply_loses_no_value_to_agents_with_settings_of_before() {
    let mut world = World::new().await;
    world.send(300).await;
    let (old, running) = world.start();
    world.settled().await;
    // The apply changes the tables first. The agents have their settings of before for a while.
    let mut declared = declaration("sales");
    declared.columns.push(Column::new("colour", ColumnType::String));
    let now = declared.declaration();
    let apply = |metadata: &mut serde_json::Value| {
        add_column(metadata, "colour", "string");
        metadata["properties"][DECLARATION] = now.clone().into();
    };
    world.alter("sales", apply).await;
    world.send_sales(300, COLOURED).await;
    let reason = said(&old, "another declaration").await;
    assert!(reason.contains("the table sales") && reason.contains("colour"), "{reason}");
    // The other table goes on meanwhile, and an agent that has its settings joins.
    let (new, new_running) = world.start_with(vec![declaration("users"), declared]);
    let until = Instant::now() + Duration::from_mins(1);
    while world.rows_of("users").await.len() < 180 {
        assert!(Instant::now() < until, "the others stand too: {:?}", old.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.send_sales(300, COLOURED).await;
    old.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    world.settled().await;
    new.shutdown.cancel();
    new_running.await.expect("ended").expect("ended well");
    assert_coloured(&sales(&world, "colour").await, 300, 540);
    assert_eq!(new.metrics.value(&stream::QUARANTINED), Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_another_engine_adds_or_widens_are_filled_by_agents_that_do_not_know_it() {
    let mut world = World::new().await;
    world.send(300).await;
    let (agent, running) = world.start();
    world.settled().await;
    world.alter("sales", |metadata| add_column(metadata, "colour", "string")).await;
    world.send_sales(300, COLOURED).await;
    world.settled().await;
    let widen = |metadata: &mut serde_json::Value| {
        let mut fields = new_schema(metadata)["fields"].as_array_mut().expect("fields").iter_mut();
        fields.find(|field| field["name"] == "amount").expect("the column")["type"] = "decimal(20,2)".into();
    };
    world.alter("sales", widen).await;
    world.send_sales(300, |number| format!(r#""amount":987654321098765{number}.25,"colour":"c{number}""#)).await;
    world.settled().await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    // None of them is a dead letter, but those that are no JSON.
    assert_coloured(&sales(&world, "colour").await, 300, 540);
    assert_eq!(world.rows_of("dead_letters").await.len(), 90);
}

/// Waits until a table has so many rows while another one stands.
async fn goes_on(world: &World, agent: &Agent, table: &str, rows: usize) {
    let until = Instant::now() + Duration::from_mins(1);
    let one_stands = || agent.metrics.value(&stream::QUARANTINED) == Some(1.0);
    while world.rows_of(table).await.len() < rows || !one_stands() {
        assert!(Instant::now() < until, "it stands too, or none does: {:?}", agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_upgraded_to_v3_stops_no_other_and_is_written_to_when_it_is_v2_again() {
    let mut world = World::new().await;
    world.send(300).await;
    let (agent, running) = world.start();
    world.settled().await;
    let upgrade = |metadata: &mut serde_json::Value| {
        metadata["format-version"] = 3.into();
        metadata["next-row-id"] = 0.into();
    };
    world.alter("users", upgrade).await;
    world.send(300).await;
    let reason = said(&agent, "only format v2 is written").await;
    assert!(reason.contains("the table raw.users") && reason.contains("format v3"), "{reason}");
    goes_on(&world, &agent, "sales", 360).await;
    assert_eq!(world.rows_of("users").await.len(), 90);
    // One that starts finds it so, and says the same.
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    let (agent, running) = world.start();
    said(&agent, "only format v2 is written").await;
    world.send(300).await;
    goes_on(&world, &agent, "sales", 540).await;
    world.alter("users", |metadata| metadata["format-version"] = 2.into()).await;
    world.settled().await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_divided_by_the_spec_that_a_table_has_by_now() {
    let mut world = World::new().await;
    world.send(300).await;
    let (agent, running) = world.start();
    world.settled().await;
    let divide = |transform: &'static str| {
        move |metadata: &mut serde_json::Value| {
            let specs = metadata["partition-specs"].as_array_mut().expect("specs");
            let (id, field) = (specs.len(), 999 + specs.len());
            let name = format!("sale_id_{id}");
            let field = serde_json::json!({"source-id": 1, "field-id": field, "name": name, "transform": transform});
            specs.push(serde_json::json!({"spec-id": id, "fields": [field]}));
            metadata["default-spec-id"] = id.into();
            metadata["last-partition-id"] = (999 + id).into();
        }
    };
    world.alter("sales", divide("bucket[4]")).await;
    // What is in files of one spec stays there, also what is in files when the commit finds the new one.
    for _ in 0..2 {
        world.send(300).await;
        world.settled().await;
    }
    let loaded = load_table(&world.aws, "raw", "sales").await.expect("loaded");
    let list = loaded.table.manifest_list_reader(loaded.table.metadata().current_snapshot().expect("one"));
    let list = list.load().await.expect("a list");
    let specs: BTreeSet<i32> = list.entries().iter().map(|one| one.partition_spec_id).collect();
    assert_eq!(specs.into_iter().collect::<Vec<_>>(), [0, 1]);

    world.alter("sales", divide("zorder[2]")).await;
    world.send(300).await;
    let reason = said(&agent, "`zorder[2]`").await;
    assert!(reason.contains("the table raw.sales") && reason.contains("isn't known here"), "{reason}");
    goes_on(&world, &agent, "users", 360).await;
    world
        .alter("sales", |metadata| {
            metadata["partition-specs"].as_array_mut().expect("specs").retain(|spec| spec["spec-id"] != 2);
            metadata["default-spec-id"] = 1.into();
        })
        .await;
    world.settled().await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_others_needs_no_columns_for_the_place_of_a_row() {
    let mut world = World::new().await;
    world
        .alter("sales", |metadata| {
            let fields = new_schema(metadata)["fields"].as_array_mut().expect("fields");
            fields.retain(|field| {
                !["kafka_topic_id", "kafka_partition", "ingested_at"].iter().any(|name| field["name"] == **name)
            });
            // It means something else there.
            fields.iter_mut().find(|field| field["name"] == "kafka_offset").expect("a field")["type"] = "string".into();
            fields.iter_mut().find(|field| field["name"] == "kafka_offset").expect("a field")["required"] =
                false.into();
        })
        .await;
    let mut orders = declaration("sales");
    orders.existing = Some("sales".to_owned());
    world.send(300).await;
    let (agent, running) = world.start_with(vec![declaration("users"), orders.clone()]);
    let until = Instant::now() + Duration::from_mins(1);
    while sales(&world, "kafka_offset").await.len() < 180 {
        assert!(Instant::now() < until, "{:?}", agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Killed between two commits it repeats nothing: its offsets stand in the snapshots.
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    world.send(300).await;
    orders.location = "s3://bucket/raw/elsewhere".to_owned();
    let (agent, running) = world.start_with(vec![declaration("users"), orders.clone()]);
    let reason = said(&agent, "correct it and apply").await;
    assert!(reason.contains("raw.sales are at s3://bucket/raw/sales"), "{reason}");
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    orders.location = declaration("sales").location;
    let (agent, running) = world.start_with(vec![declaration("users"), orders]);
    while sales(&world, "kafka_offset").await.len() < 360 {
        assert!(Instant::now() < until, "{:?}", agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    let rows = sales(&world, "kafka_offset").await;
    let ids: BTreeSet<&String> = rows.iter().map(|(id, _)| id).collect();
    assert_eq!((rows.len(), ids.len()), (360, 360));
    assert!(rows.iter().all(|(_, offset)| offset.is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_the_catalog_refuses_for_good_stops_no_table() {
    let mut world = World::new().await;
    world.alter("sales", |metadata| add_column(metadata, UNKNOWN_COLUMN, "string")).await;
    *world.fake.refused_column.lock() = Some("odd");
    let mut evolving = declaration("sales");
    evolving.reading.unknown = Unknown::Evolve;
    let (agent, running) = world.start_with(vec![declaration("users"), evolving]);
    world.send_sales(300, |number| format!(r#""amount":1.25,"colour":"c{number}","odd":{number}"#)).await;
    world.settled().await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    assert_coloured(&sales(&world, "colour").await, 0, 180);
    for (id, unknown) in sales(&world, UNKNOWN_COLUMN).await {
        assert_eq!(unknown, Some(format!(r#"{{"odd":{}}}"#, &id[1..])));
    }
    assert_eq!(agent.metrics.value(&stream::QUARANTINES), Some(0.0));
    let readings = agent.metrics.readings();
    let refused = readings.iter().filter(|reading| reading.metric == &stream::UNEVOLVED_MEMBERS);
    let refused = refused.filter(|reading| reading.name().contains("refused"));
    assert!(refused.map(|reading| reading.value).sum::<f64>() >= 180.0);
}
