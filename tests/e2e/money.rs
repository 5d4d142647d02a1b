//! Each currency arrives at the gateway as the number that it means there.

use serde_json::json;

use crate::world::{ACCOUNT, World};

#[tokio::test(flavor = "multi_thread")]
async fn dollars_yen_and_dinars_end_up_at_stripe_with_the_right_number() {
    let world = World::new().await;
    // Amount in minor units by ISO 4217; what Stripe counts.
    for (currency, amount, at_stripe) in [
        ("USD", 50_000, 50_000), // 500.00
        ("JPY", 50_000, 50_000), // no decimals on either side
        ("KWD", 50_120, 50_120), // thousandths, the last of them 0
        ("ISK", 500, 50_000),    // whole for ISO, hundredths for Stripe
        ("MGA", 50_000, 500),    // hundredths for ISO, whole for Stripe
    ] {
        let invoice = world.approved(json!({ "amount": amount, "currency": currency })).await;
        let paid = world.pay(&invoice, json!({ "amount": amount, "currency": currency })).await;
        assert_eq!((paid.status, &paid.body["amount"]), (201, &json!(amount)), "{}", paid.body);
        let books = world.stack.stripe.books(ACCOUNT);
        let entry = books.last().unwrap();
        assert_eq!((entry.amount, entry.currency.as_str()), (at_stripe, currency.to_lowercase().as_str()));
    }
}
