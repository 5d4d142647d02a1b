//! The function `error-analyst`.

use error_analyst::handle;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::app::App;

#[tokio::main]
async fn main() -> Result<(), Error> {
    shared::telemetry::init();
    let app = App::from_env().await?;
    run(service_fn(|event: LambdaEvent<Value>| handle(&app, event))).await
}
