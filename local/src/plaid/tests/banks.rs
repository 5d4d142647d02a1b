//! Banks move transfers on by their days, send them back at any later time, and events tell all of it in order.

use super::*;

impl Api {
    /// Moves a transfer by HTTP; the status that answers.
    async fn simulate(&self, transfer: &str, event: &str) -> (u16, Value) {
        self.post("/sandbox/transfer/simulate", &json!({ "transfer_id": transfer, "event_type": event })).await
    }
}

#[tokio::test]
async fn a_debit_is_posted_settled_and_available_as_bank_days_pass() {
    let api = Api::start().await;
    let transfer = api.made("debit", "10.00").await;
    for (hours, status, ledger) in [
        // Thursday, seven in the evening; nine; Friday morning.
        (12, "pending", (0, 1000)),
        (2, "posted", (0, 1000)),
        (12, "settled", (0, 1000)),
        // Five business days later, over a holiday: Monday the 26th, two in the afternoon, and four.
        (10 * 24 + 5, "settled", (0, 1000)),
        (2, "funds_available", (1000, 0)),
    ] {
        api.clock.advance(Duration::from_hours(hours));
        assert_eq!((api.read(&transfer).await["status"].clone(), api.ledger()), (json!(status), ledger));
    }
    let times: Vec<Value> = api.plaid.events(CLIENT).iter().map(|event| event["timestamp"].clone()).collect();
    let expected = ["2026-01-15T12:00:00Z", "2026-01-16T01:30:00Z", "2026-01-16T13:30:00Z", "2026-01-26T20:00:00Z"];
    assert_eq!(times, expected);
}

#[tokio::test]
async fn what_many_days_bring_comes_in_the_order_of_time() {
    let api = Api::start().await;
    api.plaid.set_ledger(CLIENT, 10_000);
    api.plaid.book_return(ACCOUNT, "R10", 20);
    let [debit, credit] = [api.made("debit", "10.00").await, api.made("credit", "20.00").await];
    api.clock.advance(Duration::from_hours(60 * 24));
    assert_eq!(api.read(&debit).await["failure_reason"]["failure_code"], "R10");
    assert_eq!(api.read(&credit).await["status"], "settled");
    let of = |id: &str| -> Vec<String> {
        let events = api.plaid.events(CLIENT);
        let mine = events.iter().filter(|event| event["transfer_id"] == id);
        mine.map(|event| event["event_type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of(&debit), ["pending", "posted", "settled", "funds_available", "returned"]);
    assert_eq!(of(&credit), ["pending", "posted", "settled"]);
    assert_eq!(api.ledger(), (8000, 0));
    // Only the next one was booked.
    api.plaid.set_blocked(ACCOUNT, false);
    let next = api.made("debit", "10.00").await;
    api.clock.advance(Duration::from_hours(60 * 24));
    assert_eq!(api.read(&next).await["status"], "funds_available");
}

#[tokio::test]
async fn a_return_comes_at_any_later_time_and_takes_the_money_back() {
    for steps in 1..=3 {
        let api = Api::start().await;
        let transfer = api.made("debit", "10.00").await;
        assert!(!api.plaid.return_transfer(&transfer, "R01"), "it was never sent");
        for _ in 0..steps {
            assert_eq!(api.plaid.advance_banks(), 1);
        }
        api.plaid.set_ledger(CLIENT, if steps == 3 { 400 } else { 0 });
        assert!(api.plaid.return_transfer(&transfer, "R01"));
        assert!(!api.plaid.return_transfer(&transfer, "R02"), "it was sent back already");
        let returned = api.read(&transfer).await;
        assert_eq!((&returned["status"], &returned["cancellable"]), (&json!("returned"), &json!(false)));
        let reason = json!({ "failure_code": "R01", "ach_return_code": "R01", "description": "Returned with R01." });
        assert_eq!(returned["failure_reason"], reason);
        assert_eq!(api.plaid.events(CLIENT).last().unwrap()["failure_reason"], reason);
        // What was available may be spent already.
        assert_eq!(api.ledger(), (if steps == 3 { -600 } else { 0 }, 0));
        let entry = api.plaid.presentments(ACCOUNT).pop().unwrap();
        assert_eq!((entry.return_code.as_deref(), entry.status), (Some("R01"), TransferStatus::Returned));
        api.clock.advance(Duration::from_hours(30 * 24));
        assert_eq!(api.read(&transfer).await["status"], "returned", "nothing follows a return");
    }
}

#[tokio::test]
async fn an_account_whose_name_has_a_code_sends_each_debit_back() {
    let api = Api::start().await;
    let account = Account { name: "Checking R09".to_owned(), ..Account::checking("account_r09", 10_000) };
    let item = api.plaid.add_item(CLIENT, vec![account]).unwrap();
    assert_eq!(api.plaid.add_item("nobody", vec![]), None);
    for _ in 0..2 {
        let body = with(&api.proposal("debit", "10.00"), "account_id", json!("account_r09"));
        let (_, answer) = api.authorize(&with(&body, "access_token", json!(item.access_token))).await;
        let order =
            with(&api.order(answer["authorization"]["id"].as_str().unwrap()), "account_id", json!("account_r09"));
        assert_eq!(api.post("/transfer/create", &with(&order, "access_token", json!(item.access_token))).await.0, 200);
    }
    // Posted on Thursday evening; back on the second business day after it, Monday being a holiday.
    api.clock.advance(Duration::from_hours(5 * 24));
    assert_eq!(api.told().iter().filter(|kind| *kind == "returned").count(), 0);
    api.clock.advance(Duration::from_hours(2));
    assert_eq!(api.told().iter().filter(|kind| *kind == "returned").count(), 2);
}

#[tokio::test]
async fn the_sandbox_makes_only_moves_that_exist() {
    let api = Api::start().await;
    let refused = (400, "SANDBOX_ERROR", "SANDBOX_TRANSFER_EVENT_TRANSITION_INVALID");
    let [debit, failed] = [api.made("debit", "10.00").await, api.made("debit", "10.00").await];
    for (event, moves) in [
        ("settled", false),
        ("returned", false),
        ("funds_available", false),
        ("posted", true),
        ("posted", false),
        ("failed", false),
        ("settled", true),
        ("funds_available", true),
        ("returned", true),
        ("settled", false),
    ] {
        let answer = api.simulate(&debit, event).await;
        assert_eq!(answer.0 == 200, moves, "{event}");
        assert!(moves || refusal(&answer) == refused);
    }
    assert_eq!(api.simulate(&failed, "failed").await.0, 200);
    assert_eq!(api.read(&failed).await["failure_reason"]["failure_code"], Value::Null);
    assert_eq!((api.ledger(), api.plaid.presentments(ACCOUNT).len()), ((0, 0), 1));
    api.plaid.set_ledger(CLIENT, 1000);
    let credit = api.made("credit", "10.00").await;
    for (event, status) in [("posted", 200), ("settled", 200), ("funds_available", 400), ("returned", 200)] {
        assert_eq!(api.simulate(&credit, event).await.0, status, "{event}");
    }
    assert_eq!(api.ledger(), (1000, 0));
    assert_eq!(refusal(&api.simulate(&debit, "cancelled").await), INVALID_FIELD);
    assert_eq!(refusal(&api.simulate("other", "posted").await), NOT_FOUND);
    let late = json!({ "transfer_id": api.made("debit", "1.00").await, "event_type": "returned",
                       "failure_reason": { "failure_code": "X99" } });
    assert_eq!(refusal(&api.post("/sandbox/transfer/simulate", &late).await), INVALID_FIELD);
}

#[tokio::test]
async fn closed_banks_move_nothing_by_themselves() {
    let api = Api::start().await;
    api.plaid.set_banks_closed(true);
    let transfer = api.made("debit", "10.00").await;
    api.clock.advance(Duration::from_hours(30 * 24));
    assert_eq!(api.read(&transfer).await["status"], "pending");
    assert!(api.plaid.post(&transfer));
    api.plaid.set_banks_closed(false);
    api.plaid.run_due();
    assert_eq!(api.read(&transfer).await["status"], "posted", "settlement counts from when it was posted");
}

#[tokio::test]
async fn events_are_read_in_pages_after_a_cursor_and_none_is_missed() {
    let api = Api::start().await;
    let transfer = api.made("debit", "10.00").await;
    assert!(api.plaid.post(&transfer) && api.plaid.settle(&transfer) && api.plaid.make_available(&transfer));
    let sync = async |after: u64, count: Value| {
        api.post("/transfer/event/sync", &json!({ "after_id": after, "count": count })).await
    };
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let (status, page) = sync(after, json!(3)).await;
        assert_eq!(status, 200, "{page}");
        let events = page["transfer_events"].as_array().unwrap();
        seen.extend(events.clone());
        after = events.last().unwrap()["event_id"].as_u64().unwrap();
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, api.plaid.events(CLIENT));
    let ids: Vec<u64> = seen.iter().map(|event| event["event_id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    let event = &seen[3];
    assert_eq!((&event["event_type"], &event["transfer_id"]), (&json!("funds_available"), &json!(transfer)));
    assert_eq!((&event["account_id"], &event["transfer_type"]), (&json!(ACCOUNT), &json!("debit")));
    assert_eq!((&event["transfer_amount"], &event["refund_id"]), (&json!("10.00"), &Value::Null));
    for after in [4, 99] {
        let (_, page) = sync(after, Value::Null).await;
        assert_eq!((&page["transfer_events"], &page["has_more"]), (&json!([]), &json!(false)));
    }
    for wrong in [json!(0), json!(501), json!("3")] {
        assert_eq!(refusal(&sync(0, wrong).await), INVALID_FIELD);
    }
    assert_eq!(refusal(&api.post("/transfer/event/sync", &json!({})).await), MISSING_FIELDS);
    assert_eq!(refusal(&api.post("/transfer/event/sync", &json!({ "after_id": -1 })).await), INVALID_FIELD);
}

#[tokio::test]
async fn a_page_has_a_hundred_events_unless_more_are_asked_for() {
    let api = Api::start().await;
    for _ in 0..51 {
        let transfer = api.made("debit", "1.00").await;
        assert!(api.plaid.post(&transfer));
    }
    let (_, page) = api.post("/transfer/event/sync", &json!({ "after_id": 0 })).await;
    assert_eq!((page["transfer_events"].as_array().unwrap().len(), &page["has_more"]), (100, &json!(true)));
    let (_, page) = api.post("/transfer/event/sync", &json!({ "after_id": 0, "count": 500 })).await;
    assert_eq!((page["transfer_events"].as_array().unwrap().len(), &page["has_more"]), (102, &json!(false)));
}
