//! The catalog and query kinds against an account: made once, found as meant, changed, gone.

use std::sync::Arc;

use crate::account::{account, account_with, kind};
use aws_sdk_glue::types::{
    DatabaseInput, Permission, PrincipalPermissions, TableInput, TableOptimizerConfiguration, TableOptimizerType,
    TableOptimizerVpcConfiguration,
};
use lakewright::kind::{Context, Waiting, Wanted};
use lakewright::resource::Address;
use lakewright::services::Services as _;
use lakewright_aws::ask;
use parking_lot::Mutex;
use serde_json::json;

#[tokio::test]
async fn databases_and_tables() {
    let account = account().await;
    account.create("bucket.raw", json!({"name": "shop-raw-123456789012"})).await;
    let database =
        json!({"name": "shop_raw", "description": "the raw zone", "location": "s3://shop-raw-123456789012/raw"});
    account.create("database.raw", database.clone()).await;
    let database = json!({"name": "shop_raw", "description": "raw", "location": "s3://shop-raw-123456789012/raw"});
    account.update("database.raw", database.clone()).await;
    // What somebody else said of it stays.
    let glue = account.context.aws.glue();
    let permitted = PrincipalPermissions::builder().permissions(Permission::Select).build();
    let by_hand =
        DatabaseInput::builder().name("shop_raw").description("raw").location_uri("s3://shop-raw-123456789012/raw");
    let by_hand = by_hand.parameters("classification", "internal").create_table_default_permissions(permitted);
    ask(glue.update_database().name("shop_raw").database_input(by_hand.build().unwrap()).send()).await.unwrap();
    let mut reworded = database.clone();
    reworded["description"] = json!("as it comes");
    account.update("database.raw", reworded).await;
    let kept = ask(glue.get_database().name("shop_raw").send()).await.unwrap().database.unwrap();
    assert_eq!(kept.parameters().unwrap()["classification"], "internal");
    assert_eq!(kept.create_table_default_permissions()[0].permissions(), [Permission::Select]);
    account.update("database.raw", database.clone()).await;

    let column = |name: &str, column_type: &str| json!({"name": name, "type": column_type});
    let table = json!({
        "database": "shop_raw", "name": "sales", "location": "s3://shop-raw-123456789012/raw/sales",
        "columns": [
            {"name": "sale_id", "type": "string", "required": true, "doc": "its id"},
            column("quantity", "int"), column("amount", "decimal(12,2)"), column("tags", "list<string>"),
            column("local", "timestamp"), column("sold_at", "timestamptz"),
        ],
        "partition": ["day(sold_at)", "bucket(4, sale_id)"],
        "properties": {"write.parquet.compression-codec": "zstd"},
    });
    account.create("table.sales", table.clone()).await;
    let mut wider = table.clone();
    wider["columns"] = json!([
        {"name": "sale_id", "type": "string", "required": true, "doc": "its id"}, column("note", "string"),
        column("quantity", "long"), column("amount", "decimal(14,2)"), column("tags", "list<string>"),
        column("local", "timestamp"), column("sold_at", "timestamptz"), column("parts", "list<int>"),
    ]);
    wider["properties"] = json!({"write.parquet.compression-codec": "snappy", "commit.retry.num-retries": "9"});
    account.update("table.sales", wider.clone()).await;
    wider["partition"] = json!(["day(sold_at)"]);
    account.update("table.sales", wider.clone()).await;
    for sort in [json!(["amount desc", "day(sold_at)"]), json!(["quantity nulls last"])] {
        wider["sort"] = sort;
        account.update("table.sales", wider.clone()).await;
    }

    let address: Address = "table.sales".parse().unwrap();
    let kind = kind(&address);
    assert_eq!(kind.loses(&wider, &table).len(), 2, "two columns less");
    let live = account.find(&address, &wider).await.unwrap();
    let narrower = kind.normalise(&table).unwrap();
    let error = kind.update(&account.context, &live, &narrower, &["columns".to_owned()]).await.expect_err("narrower");
    assert!(error.to_string().contains("can't change from long to int"), "{error:#}");

    // Files were divided by the sale's id once: it can be called otherwise, and not go.
    let mut without = wider.clone();
    without["columns"].as_array_mut().unwrap().remove(0);
    let refusal = kind.refuses(&live, &kind.normalise(&without).unwrap()).unwrap().reason;
    assert!(refusal.contains("the column sale_id can't go: files were divided by it once"), "{refusal}");
    // The order stays when a file says nothing of it: what rows are sorted by can't go.
    wider.as_object_mut().unwrap().remove("sort");
    let live = account.find(&address, &wider).await.unwrap();
    assert_eq!(live.spec.get("sort"), None);
    let mut unsorted = wider.clone();
    unsorted["columns"].as_array_mut().unwrap().remove(2);
    let refusal = kind.refuses(&live, &kind.normalise(&unsorted).unwrap()).unwrap().reason;
    assert!(refusal.contains("the column quantity can't go: the table's rows are sorted by it"), "{refusal}");
    unsorted["sort"] = json!(["amount"]);
    assert_eq!(kind.refuses(&live, &kind.normalise(&unsorted).unwrap()), None);
    let mut renamed = wider.clone();
    renamed["columns"][0]["name"] = json!("id");
    renamed["columns"][0]["was"] = json!("sale_id");
    assert_eq!(kind.refuses(&live, &kind.normalise(&renamed).unwrap()), None);

    // Somebody's own table is reported and stays.
    let theirs = TableInput::builder().name("theirs").build().unwrap();
    ask(glue.create_table().database_name("shop_raw").table_input(theirs).send()).await.unwrap();
    let live = account.find(&address, &wider).await.unwrap();
    assert_eq!(live.foreign, ["shop_raw.theirs"]);
    // One of a wanted name that somebody else made is neither taken nor deleted.
    let other = Context { stack: "other".to_owned(), ..account.context.clone() };
    let mut foreign = table.clone();
    foreign["name"] = json!("taken");
    let spec = kind.normalise(&foreign).unwrap();
    let taken: Address = "table.taken".parse().unwrap();
    kind.create(&other, &taken, &spec).await.unwrap();
    assert!(account.find(&taken, &spec).await.is_none(), "another stack's table is taken over");
    let error = kind.create(&account.context, &taken, &spec).await.expect_err("another stack's");
    assert!(error.to_string().contains("shop_raw.taken exists and isn't this stack's table.taken"), "{error:#}");
    let wanted = [Wanted { address: &taken, spec: &spec }];
    let theirs = kind.find(&other, &wanted).await.unwrap().remove(0);
    kind.delete(&other, &theirs).await.unwrap();

    account.delete("table.sales", &wider).await;
    let tables = ask(glue.get_tables().database_name("shop_raw").send()).await.unwrap();
    assert_eq!(tables.table_list().len(), 1);
    account.delete("database.raw", &database).await;
}

#[tokio::test]
async fn optimizers_of_tables() {
    let account = account().await;
    account.create("bucket.raw", json!({"name": "shop-raw-123456789012"})).await;
    account.create("database.raw", json!({"name": "shop_raw"})).await;
    let columns = [json!({"name": "id", "type": "string"})];
    let table = json!({"database": "shop_raw", "name": "sales", "location": "s3://shop-raw-123456789012/raw/sales", "columns": columns});
    account.create("table.sales", table.clone()).await;
    let role = "arn:aws:iam::123456789012:role/shop-optimizers";
    let spec = |kind: &str, more: serde_json::Value| {
        let mut spec = json!({"database": "shop_raw", "table": "sales", "type": kind, "role": role});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    for (kind, other) in [
        ("compaction", json!({"strategy": "z-order", "min_input_files": 5})),
        ("retention", json!({"snapshots_days": 9, "min_snapshots": 3, "clean_expired_files": false})),
        ("orphan_file_deletion", json!({"orphans_days": 7, "every_hours": 3, "enabled": false})),
    ] {
        let address = format!("table_optimizer.sales-{kind}");
        account.create(&address, spec(kind, json!({}))).await;
        account.update(&address, spec(kind, other)).await;
        account.update(&address, spec(kind, json!({}))).await;
    }
    // What somebody else said of one stays.
    let glue = account.context.aws.glue();
    let connection = TableOptimizerVpcConfiguration::GlueConnectionName("private".to_owned());
    let by_hand =
        TableOptimizerConfiguration::builder().role_arn(role).enabled(true).vpc_configuration(connection.clone());
    let call = glue.update_table_optimizer().catalog_id("123456789012").database_name("shop_raw").table_name("sales");
    let call = call.r#type(TableOptimizerType::Compaction).table_optimizer_configuration(by_hand.build());
    ask(call.send()).await.unwrap();
    account.update("table_optimizer.sales-compaction", spec("compaction", json!({"min_input_files": 9}))).await;
    let call = glue.get_table_optimizer().catalog_id("123456789012").database_name("shop_raw").table_name("sales");
    let kept = ask(call.r#type(TableOptimizerType::Compaction).send()).await.unwrap().table_optimizer.unwrap();
    assert_eq!(kept.configuration().unwrap().vpc_configuration(), Some(&connection));
    // Another one of its type is none of this stack's.
    let other = account.refused("table_optimizer.mine", spec("compaction", json!({"min_input_files": 2}))).await;
    assert!(other.contains("shop_raw.sales:compaction has one that isn't this stack's"), "{other}");
    for kind in ["compaction", "retention"] {
        account.delete(&format!("table_optimizer.sales-{kind}"), &spec(kind, json!({}))).await;
    }
    // They go with their table.
    account.delete("table.sales", &table).await;
    let left = "table_optimizer.sales-orphan_file_deletion".parse().unwrap();
    assert!(account.find(&left, &spec("orphan_file_deletion", json!({}))).await.is_none());
}

#[tokio::test]
async fn workgroups() {
    let account = account().await;
    let spec = json!({"name": "shop", "output_location": "s3://b/athena/"});
    account.create("workgroup.main", spec.clone()).await;
    let other = json!({"name": "shop", "output_location": "s3://b/other", "description": "queries",
        "bytes_scanned_cutoff_per_query": 20_000_000, "key": "arn:aws:kms:eu-north-1:123456789012:key/k"});
    account.update("workgroup.main", other).await;
    account.update("workgroup.main", spec.clone()).await;
    account.delete("workgroup.main", &spec).await;
}

#[tokio::test]
async fn what_the_tagging_api_learns_of_late_is_found_by_its_name() {
    let account = account_with(lakewright_account::Delays::Scaled(0.1)).await;
    for (address, spec) in [
        ("workgroup.main", json!({"name": "shop", "output_location": "s3://b/athena/"})),
        ("emr_application.batch", json!({"name": "shop", "max_capacity": {"vcpu": 8}})),
        ("database.raw", json!({"name": "shop_raw"})),
    ] {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        let made = kind(&address).create(&account.context, &address, &spec).await.unwrap();
        let wanted = [Wanted { address: &address, spec: &spec }];
        let found = kind(&address).find(&account.context, &wanted).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|live| live.id.as_str()).collect();
        assert_eq!(ids, [made.id.as_str()], "{address}");
    }
}

#[tokio::test]
async fn the_tags_of_databases_come_with_one_question() {
    let account = account().await;
    for name in ["raw", "refined"] {
        account.create(&format!("database.{name}"), json!({"name": format!("shop_{name}")})).await;
    }
    let before = account.context.aws.requests();
    let found = kind(&Address::new("database", "raw")).find(&account.context, &[]).await.unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    // The databases, the tags, and the tables of each.
    assert_eq!(account.context.aws.requests() - before, 4);
}

/// A rename makes the new application beside the old one: an apply that ended between the two goes on with what it made.
#[tokio::test]
async fn an_application_just_made_beside_the_old_one_is_found_by_its_name() {
    let account = account_with(lakewright_account::Delays::Scaled(0.1)).await;
    let address: Address = "emr_application.batch".parse().unwrap();
    let kind = kind(&address);
    let named = |name: &str| kind.normalise(&json!({"name": name})).unwrap();
    let old = kind.create(&account.context, &address, &named("old")).await.unwrap();
    let known = async { while kind.find(&account.context, &[]).await.unwrap().is_empty() {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), known).await.expect("the tagging API never learns of it");
    let spec = named("new");
    let new = kind.create(&account.context, &address, &spec).await.unwrap();
    let wanted = [Wanted { address: &address, spec: &spec }];
    let mut found = kind.find(&account.context, &wanted).await.unwrap();
    found.sort_by_key(|live| live.id != old.id);
    let ids: Vec<&str> = found.iter().map(|live| live.id.as_str()).collect();
    assert_eq!(ids, [old.id.as_str(), new.id.as_str()]);
}

#[tokio::test]
async fn saved_queries() {
    let account = account().await;
    account.create("workgroup.main", json!({"name": "shop", "output_location": "s3://b/athena/"})).await;
    let spec = |name: &str, sql: &str| json!({"name": name, "workgroup": "shop", "database": "shop", "sql": sql});
    let made = account.create("saved_query.top", spec("top", "SELECT 1")).await;
    let mut other = spec("best", "SELECT 2");
    other["description"] = json!("The best.");
    account.update("saved_query.top", other.clone()).await;
    let found = ask(account.context.aws.athena().get_named_query().named_query_id(&made.id).send()).await.unwrap();
    let description = found.named_query().unwrap().description();
    assert_eq!(description, Some("The best. [lakewright shop saved_query.top]"));
    // Another stack's is neither found nor taken over.
    let address: Address = "saved_query.top".parse().unwrap();
    let stranger = Context { stack: "other".to_owned(), ..account.context.clone() };
    let wanted = [Wanted { address: &address, spec: &other }];
    let kind = kind(&address);
    assert!(kind.find(&stranger, &wanted).await.unwrap().is_empty());
    let error = kind.read(&stranger, &address, &made.id).await.expect_err("the shop's");
    assert!(error.to_string().contains("belongs to the stack shop"), "{error:#}");
    // Nobody wants it any more: the stack's own workgroup still lists it.
    assert_eq!(kind.find(&account.context, &[]).await.unwrap().len(), 1);
    account.delete("saved_query.top", &other).await;
    assert!(kind.read(&account.context, &address, &made.id).await.unwrap().is_none());
}

#[tokio::test]
async fn emr_applications() {
    let account = account().await;
    let spec = json!({"name": "shop", "max_capacity": {"vcpu": 8}});
    let made = account.create("emr_application.batch", spec).await;
    let start = account.context.aws.emr_serverless().start_application().application_id(&made.id);
    ask(start.clone().send()).await.unwrap();
    let spec = json!({"name": "shop", "max_capacity": {"vcpu": 4, "memory_gb": 16}, "idle_timeout_minutes": 5,
        "architecture": "ARM64"});
    account.update("emr_application.batch", spec.clone()).await;
    ask(start.clone().send()).await.unwrap();
    account.delete("emr_application.batch", &spec).await;
}

/// Who has the rights from before there were streaming runs may not list an application's job runs.
#[tokio::test]
async fn an_application_whose_runs_cannot_be_listed_is_stopped_once_they_have_ended() {
    let account = account().await;
    let address: Address = "emr_application.batch".parse().unwrap();
    let made = account.create("emr_application.batch", json!({"name": "shop"})).await;
    ask(account.context.aws.emr_serverless().start_application().application_id(&made.id).send()).await.unwrap();
    account.faults(
        "[[fault]]\noperation = \"StopApplication\"\ntimes = 2\nerror = \"ValidationException\"\nstatus = 400\n\
         [[fault]]\noperation = \"ListJobRuns\"\nerror = \"AccessDeniedException\"\nstatus = 403\n",
    );
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let waiting = Waiting::told(move |what| heard.lock().push(what.to_owned()));
    let context = Context { waiting, ..account.context.clone() };
    let spec = kind(&address).normalise(&json!({"name": "shop", "architecture": "ARM64"})).unwrap();
    let live = account.find(&address, &spec).await.unwrap();
    kind(&address).update(&context, &live, &spec, &["architecture".to_owned()]).await.unwrap();
    assert_eq!(account.find(&address, &spec).await.unwrap().spec["architecture"], "ARM64");
    let said = said.lock().clone();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("can't be listed") && said[0].contains("ListJobRuns"), "{said:?}");
}
