//! What is told while an execution of ours stands still.

use std::time::Duration;

use serde_json::{Value, json};

use super::books::Books;
use super::execution::End;
use super::stage::{Call, Stage};
use super::wire::{Fault, Party, Plan};
use crate::world::{ACCOUNT, ADMIN};

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_while_its_reply_is_on_the_way_ends_as_failed() {
    let mut stage = Stage::new().await;
    let (_, payment, _) = stage.world.paid().await;
    let body = json!({ "payment_id": payment, "amount": 400 });
    let call =
        Call { user: ADMIN.to_owned(), method: "POST", path: "/refunds".to_owned(), key: Some("r1".to_owned()), body };
    let plan = Plan::from([((Party::Gateway, 1), Fault::FreezeAfter)]);
    let End::Frozen(frozen) = stage.wire.run(plan, stage.invoke(&call)).await else { panic!("not in the plan") };
    stage.cold();
    let stripe = stage.world.stack.stripe.clone();
    stripe.finish_refund(&stripe.refunds(ACCOUNT)[0].id, false);
    let events: Vec<Value> = stripe.events(ACCOUNT);
    let of_refund = |event: &&Value| event["type"].as_str().unwrap().contains("refund");
    stage.world.clock.advance(Duration::from_secs(20));
    for event in events.iter().filter(of_refund) {
        assert_eq!(stage.deliver(event).await.status, 500, "a send may be open: {}", event["type"]);
    }
    // The reply says what was true when it was made.
    let End::Answered(answer) = stage.wire.thaw(frozen).await else { panic!("not in the plan") };
    assert_eq!((answer.status, &answer.body["status"]), (201, &json!("succeeded")), "{}", answer.body);
    stage.world.clock.advance(Duration::from_secs(200));
    for event in events.iter().filter(of_refund) {
        assert_eq!(stage.deliver(event).await.status, 200, "{}", event["type"]);
    }
    let books = Books::of(&stage.world).await;
    assert_eq!(books.refunds[0].status.as_str(), "failed");
    books.at_rest();
}
