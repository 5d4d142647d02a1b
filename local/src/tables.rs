//! Creates the template's tables over the AWS SDK, as CloudFormation would.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, StreamSpecification,
    TimeToLiveSpecification,
};

use crate::template::{Attribute, Index, Key, Table, Template};

/// Why a table could not be created.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// The template left out what a request needs.
    #[error("a table of the template is not complete: {0}")]
    Incomplete(#[from] BuildError),
    /// DynamoDB refused.
    #[error("table {table} could not be created: {source}")]
    Refused {
        /// The table.
        table: String,
        /// DynamoDB's answer.
        source: Box<aws_sdk_dynamodb::Error>,
    },
}

/// Creates every table of the template in the stack called `stack`; those that exist are left alone. Gives back the
/// tables' names by environment variable.
///
/// # Errors
/// When DynamoDB refuses or can't be reached.
pub async fn create(
    client: &Client,
    template: &Template,
    stack: &str,
) -> Result<BTreeMap<String, String>, TablesError> {
    for table in &template.tables {
        create_table(client, table, &table.name(stack)).await?;
    }
    Ok(template.table_names(stack))
}

async fn create_table(client: &Client, table: &Table, name: &str) -> Result<(), TablesError> {
    let refused = |source| TablesError::Refused { table: name.to_owned(), source: Box::new(source) };
    let indexes = table.indexes.iter().map(index).collect::<Result<Vec<_>, _>>()?;
    let stream = table
        .stream
        .as_ref()
        .map(|view| StreamSpecification::builder().stream_enabled(true).stream_view_type(view.clone()).build());
    let created = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes(table)?))
        .set_key_schema(Some(key_schema(&table.key)?))
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .set_stream_specification(stream.transpose()?)
        .send()
        .await;
    match created.map_err(aws_sdk_dynamodb::Error::from) {
        Ok(_) => {}
        Err(aws_sdk_dynamodb::Error::ResourceInUseException(_)) => return Ok(()),
        Err(error) => return Err(refused(error)),
    }
    if let Some(attribute) = &table.ttl_attribute {
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute).build()?;
        let request = client.update_time_to_live().table_name(name).time_to_live_specification(ttl);
        request.send().await.map_err(|error| refused(error.into()))?;
    }
    Ok(())
}

/// The attributes of all keys, each once.
fn attributes(table: &Table) -> Result<Vec<AttributeDefinition>, BuildError> {
    let keys = [&table.key].into_iter().chain(table.indexes.iter().map(|index| &index.key));
    let attributes = keys.flat_map(|key| [&key.partition].into_iter().chain(&key.sort));
    let by_name: BTreeMap<&str, &Attribute> =
        attributes.map(|attribute| (attribute.name.as_str(), attribute)).collect();
    let define = |attribute: &Attribute| {
        AttributeDefinition::builder().attribute_name(&attribute.name).attribute_type(attribute.kind.clone()).build()
    };
    by_name.into_values().map(define).collect()
}

fn key_schema(key: &Key) -> Result<Vec<KeySchemaElement>, BuildError> {
    let roles = [(Some(&key.partition), KeyType::Hash), (key.sort.as_ref(), KeyType::Range)];
    let element = |(attribute, role): (Option<&Attribute>, KeyType)| {
        Some(KeySchemaElement::builder().attribute_name(&attribute?.name).key_type(role).build())
    };
    roles.into_iter().filter_map(element).collect()
}

fn index(index: &Index) -> Result<GlobalSecondaryIndex, BuildError> {
    let included = (!index.included.is_empty()).then(|| index.included.clone());
    let projection = Projection::builder().projection_type(index.projection.clone()).set_non_key_attributes(included);
    GlobalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(&index.key)?))
        .projection(projection.build())
        .build()
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::{AttributeValue, StreamViewType, TableStatus};
    use tokio::net::TcpListener;

    use super::*;
    use crate::dynamodb::DynamoDb;

    async fn engine() -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        DynamoDb::start(listener, None).unwrap().client()
    }

    #[tokio::test]
    async fn every_table_of_the_template_is_created_as_it_says() {
        let (client, template) = (engine().await, Template::bundled().unwrap());
        let names = create(&client, &template, "passerelle").await.unwrap();
        assert_eq!(names["INVOICES_TABLE"], "passerelle-invoices");
        assert_eq!(names["AUDIT_LOG_TABLE"], "passerelle-audit-log");

        for table in &template.tables {
            let described = client.describe_table().table_name(table.name("passerelle")).send().await.unwrap();
            let described = described.table.unwrap();
            assert_eq!(described.table_status, Some(TableStatus::Active), "{}", table.suffix);
            assert_eq!(described.key_schema, Some(key_schema(&table.key).unwrap()));
            let mut indexes: Vec<_> = described
                .global_secondary_indexes()
                .iter()
                .map(|index| {
                    let projection = index.projection().and_then(|projection| projection.projection_type());
                    (index.index_name().unwrap(), index.key_schema().to_vec(), projection.cloned())
                })
                .collect();
            indexes.sort_by_key(|(name, ..)| *name);
            let mut expected: Vec<_> = table
                .indexes
                .iter()
                .map(|i| (i.name.as_str(), key_schema(&i.key).unwrap(), Some(i.projection.clone())))
                .collect();
            expected.sort_by_key(|(name, ..)| *name);
            assert_eq!(indexes, expected, "{}", table.suffix);
        }
    }

    #[tokio::test]
    async fn time_to_live_and_stream_are_turned_on() {
        let (client, template) = (engine().await, Template::bundled().unwrap());
        create(&client, &template, "passerelle").await.unwrap();
        let ttl = client.describe_time_to_live().table_name("passerelle-webhook-events").send().await.unwrap();
        let attribute = ttl.time_to_live_description().and_then(|ttl| ttl.attribute_name().map(str::to_owned));
        assert_eq!(attribute.as_deref(), Some("expires_at"));
        let alerts = client.describe_table().table_name("passerelle-alerts").send().await.unwrap().table.unwrap();
        let view = alerts.stream_specification().and_then(|stream| stream.stream_view_type());
        assert_eq!(view, Some(&StreamViewType::NewAndOldImages));
    }

    #[tokio::test]
    async fn tables_that_exist_keep_their_items() {
        let (client, template) = (engine().await, Template::bundled().unwrap());
        let names = create(&client, &template, "passerelle").await.unwrap();
        let table = &names["TENANTS_TABLE"];
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let item = client.put_item().table_name(table).item("tenant_id", text("acme")).item("record", text("settings"));
        item.send().await.unwrap();

        create(&client, &template, "passerelle").await.unwrap();
        let key = client.get_item().table_name(table).key("tenant_id", text("acme")).key("record", text("settings"));
        assert!(key.send().await.unwrap().item.is_some());
    }

    #[tokio::test]
    async fn data_in_a_file_outlives_the_engine() {
        let dir = std::env::temp_dir().join(format!("passerelle-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        let file = dir.join("dynamodb.sqlite");
        for expected in [0, 1] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = DynamoDb::start(listener, Some(&file)).unwrap().client();
            let tables = client.list_tables().send().await.unwrap();
            assert_eq!(tables.table_names().len().min(1), expected);
            create(&client, &Template::bundled().unwrap(), "passerelle").await.unwrap();
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
