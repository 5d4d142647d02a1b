//! What the benchmark holds `pay` against: the smallest function that makes the same four round trips. It reads as many
//! items, writes as many in two transactions, and charges a card in between. It decides nothing, and is not deployed.

use std::env;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem};
use lambda_http::{Error, Request, Response, run, service_fn};
use serde_json::{Value, json};

/// Tables and keys, as `pay` reads them.
const READ: [(&str, &str, &str); 6] = [
    ("TENANTS_TABLE", "record", "settings"),
    ("TENANTS_TABLE", "record", "member#admin@example.com"),
    ("INVOICES_TABLE", "invoice_id", ""),
    ("PAYMENTS_TABLE", "id", ""),
    ("SCHEDULED_PAYMENTS_TABLE", "schedule_id", ""),
    ("PAYMENT_METHODS_TABLE", "method_id", "default#tenant#stripe"),
];

#[tokio::main]
async fn main() -> Result<(), Error> {
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let (dynamodb, http) = (Client::new(&aws), reqwest::Client::new());
    // Opens the connection, as `pay` does.
    let item = dynamodb.get_item().table_name(env::var("TENANTS_TABLE")?).key("tenant_id", text("acme"));
    item.key("record", text("-")).send().await?;
    run(service_fn(|request| handle(&dynamodb, &http, request))).await
}

async fn handle(dynamodb: &Client, http: &reqwest::Client, request: Request) -> Result<Response<String>, Error> {
    let body: Value = serde_json::from_slice(request.body())?;
    let id = body.get("invoice_id").and_then(Value::as_str).unwrap_or_default();

    let mut read = dynamodb.batch_get_item();
    for table in
        ["TENANTS_TABLE", "INVOICES_TABLE", "PAYMENTS_TABLE", "SCHEDULED_PAYMENTS_TABLE", "PAYMENT_METHODS_TABLE"]
    {
        let mut keys = KeysAndAttributes::builder();
        for (_, sort, value) in READ.iter().filter(|(of, _, _)| *of == table) {
            let value = if value.is_empty() { id } else { value };
            keys = keys.keys([("tenant_id".to_owned(), text("acme")), ((*sort).to_owned(), text(value))].into());
        }
        read = read.request_items(env::var(table)?, keys.build()?);
    }
    let found = read.send().await?;

    write(dynamodb, id, "processing", 1).await?;
    let form = [
        ("amount", "50000"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("payment_method_types[0]", "card"),
        ("confirm", "true"),
        ("off_session", "true"),
    ];
    let charge = http.post(format!("{}/v1/payment_intents", env::var("STRIPE_API_BASE")?)).form(&form);
    let charge = charge.bearer_auth(env::var("STRIPE_SECRET_KEY")?).header("idempotency-key", id);
    let charge: Value = charge.send().await?.error_for_status()?.json().await?;
    write(dynamodb, id, "paid", 2).await?;

    let answer =
        json!({ "invoice_id": id, "read": found.responses.map(|tables| tables.len()), "charge": charge.get("id") });
    Ok(Response::builder().status(201).header("content-type", "application/json").body(answer.to_string())?)
}

/// Puts an invoice, a payment and an entry of the audit log.
async fn write(dynamodb: &Client, id: &str, status: &str, seq: i32) -> Result<(), Error> {
    let invoice = put("INVOICES_TABLE")?.item("tenant_id", text("baseline")).item("invoice_id", text(id));
    let payment = put("PAYMENTS_TABLE")?.item("tenant_id", text("baseline")).item("id", text(id));
    let entry = put("AUDIT_LOG_TABLE")?.item("entity", text(&format!("baseline/invoice/{id}")));
    let entry = entry.item("seq", AttributeValue::N(seq.to_string())).condition_expression("attribute_not_exists(seq)");
    let mut writes = dynamodb.transact_write_items();
    for put in [invoice, payment, entry] {
        let put = put.item("status", text(status)).build()?;
        writes = writes.transact_items(TransactWriteItem::builder().put(put).build());
    }
    writes.send().await?;
    Ok(())
}

fn put(table: &str) -> Result<aws_sdk_dynamodb::types::builders::PutBuilder, Error> {
    Ok(Put::builder().table_name(env::var(table)?))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}
