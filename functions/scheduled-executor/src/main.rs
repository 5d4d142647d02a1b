//! The function `scheduled-executor`.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use scheduled_executor::{Queue, handle};
use serde_json::Value;
use shared::app::App;
use shared::flow::run::Executor;

#[tokio::main]
async fn main() -> Result<(), Error> {
    shared::telemetry::init();
    let app = App::from_env().await?;
    let queue = Queue::from_env(&app).await;
    let executor = Executor::new(app);
    run(service_fn(|event: LambdaEvent<Value>| handle(&executor, queue.as_ref(), event))).await
}
