use super::payment::{after, next};
use super::*;
use crate::id::{MethodId, PaymentId, RefundId, TenantId, UserId};
use crate::model::invoice::{Draft, InvoiceStatus, Kind};
use crate::model::payment::{Disputes, FailureCode, Frozen, Gateway, PaymentMethod, Refunds};
use crate::model::refund::FrozenRefund;
use crate::model::return_code;
use crate::money::Money;
use proptest::prelude::*;

const MOVED: [PaymentStatus; 4] =
    [PaymentStatus::Paid, PaymentStatus::PartiallyRefunded, PaymentStatus::Refunded, PaymentStatus::Returned];

#[test]
fn money_that_moved_is_never_reported_away() {
    for status in MOVED {
        for report in Report::ALL {
            assert_eq!(next(status, *report), status, "{status} and {report}");
        }
    }
}

#[test]
fn a_late_success_wins_over_an_earlier_failure() {
    for status in [PaymentStatus::Failed, PaymentStatus::Canceled] {
        assert_eq!(next(status, Report::Succeeded), PaymentStatus::Paid);
    }
}

#[test]
fn a_payment_with_a_client_secret_given_out_ends_only_by_success_or_a_confirmed_cancellation() {
    for report in [Report::Declined, Report::NotSent, Report::NotExecuted, Report::Pending] {
        assert_eq!(next(PaymentStatus::RequiresAction, report), PaymentStatus::RequiresAction, "{report}");
    }
}

#[test]
fn only_what_was_paid_can_be_refunded_or_reversed_and_what_was_reversed_stays_so() {
    for aftermath in Aftermath::ALL {
        for status in PaymentStatus::ALL {
            let moved = MOVED.contains(status) && *status != PaymentStatus::Returned;
            assert!(moved || after(*status, *aftermath) == *status, "{status} and {aftermath}");
        }
        assert_eq!(after(PaymentStatus::Returned, *aftermath), PaymentStatus::Returned);
    }
}

#[test]
fn a_refund_that_failed_at_the_gateway_is_not_brought_back_by_an_older_report_of_success() {
    assert_eq!(refund::next(RefundStatus::Failed, true, Report::Succeeded), RefundStatus::Failed);
    assert_eq!(refund::next(RefundStatus::Failed, false, Report::Succeeded), RefundStatus::Succeeded);
    assert_eq!(refund::next(RefundStatus::Succeeded, true, Report::Declined), RefundStatus::Failed);
    assert_eq!(refund::next(RefundStatus::Succeeded, true, Report::Pending), RefundStatus::Succeeded);
}

/// What happens to one invoice with two payments, for tests: everything goes through the transition functions.
struct Desk {
    invoice: Invoice,
    payments: Vec<Payment>,
    refunds: Vec<Refund>,
    schedule: Option<Schedule>,
    alerts: Vec<AlertKind>,
}

fn now() -> Time {
    Time::from_seconds(1_768_487_400)
}

impl Desk {
    /// An invoice over 500, with two payments: the first believed to be failed, the second running.
    fn new(method: PaymentMethod) -> Self {
        let tenant: TenantId = "acme".parse().unwrap();
        let user: UserId = "ann".parse().unwrap();
        let mut invoice = Invoice::enter(Draft {
            tenant_id: tenant.clone(),
            invoice_id: "I-1".parse().unwrap(),
            invoice_number: None,
            kind: Kind::Payable,
            counterparty: serde_json::from_str(r#"{"name":"Vendor"}"#).unwrap(),
            money: Money { amount_minor: 500, currency: "USD".parse().unwrap() },
            due_date: None,
            description: None,
            created_by: user.clone(),
            created_at: now(),
            fingerprint: String::new(),
        });
        let payments: Vec<Payment> = [PaymentStatus::Failed, PaymentStatus::Processing]
            .iter()
            .zip(["k1", "k2"])
            .map(|(status, key)| Payment {
                order_id: None,
                authorization: None,
                expected_settlement_date: None,
                tenant_id: tenant.clone(),
                id: PaymentId::keyed(&tenant, key),
                invoice_id: invoice.invoice_id.clone(),
                schedule_id: None,
                status: *status,
                amount: 500,
                currency: invoice.currency,
                payment_method: method,
                payment_method_id: None,
                own_balance: true,
                frozen: Frozen {
                    gateway: Gateway::Stripe,
                    account: "acct_1".to_owned(),
                    api_version: "v".to_owned(),
                    customer: "cus_1".to_owned(),
                    method: "pm_1".to_owned(),
                    destination: None,
                    mandate: None,
                    transfer: None,
                    description: "I-1 - Vendor".to_owned(),
                },
                approved_by: Vec::new(),
                created_by: user.clone(),
                created_at: now(),
                paid_at: None,
                fingerprint: String::new(),
                failure: None,
                gateway_ref: None,
                refundable_minor: 0,
                refunds: Refunds::default(),
                disputed: false,
                disputes: Disputes::default(),
                progress: Progress::reserved(&tenant, now()),
            })
            .collect();
        invoice.status = InvoiceStatus::Paying;
        invoice.current = Some(payments[1].id.clone());
        Self { invoice, payments, refunds: Vec::new(), schedule: None, alerts: Vec::new() }
    }

    fn case(&self, payment: usize, refund: Option<usize>) -> Case {
        Case {
            invoice: self.invoice.clone(),
            payment: self.payments[payment].clone(),
            refund: refund.map(|refund| self.refunds[refund].clone()),
            schedule: self.schedule.clone(),
        }
    }

    fn apply(&mut self, payment: usize, refund: Option<usize>, change: Option<Change>) {
        let Some(Change { case, alerts }) = change else { return };
        self.invoice = case.invoice;
        self.payments[payment] = case.payment;
        self.schedule = case.schedule;
        match (refund, case.refund) {
            (Some(refund), Some(after)) => self.refunds[refund] = after,
            (None, Some(new)) => self.refunds.push(new),
            (_, None) => {}
        }
        self.alerts.extend(alerts);
        for payment in &self.payments {
            let sums = payment.refunds;
            let of_it = self.refunds.iter().filter(|refund| refund.payment_id == payment.id);
            let sum =
                |keep: &dyn Fn(&&Refund) -> bool| of_it.clone().filter(keep).map(|refund| refund.amount).sum::<i64>();
            let held = sum(&|refund| refund.status.holds());
            assert_eq!(sums.held, held);
            assert_eq!(sums.succeeded, sum(&|refund| refund.status == RefundStatus::Succeeded));
            assert_eq!(sums.listed, sum(&|refund| refund.reference().is_some()));
            if matches!(
                payment.status,
                PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded
            ) {
                assert_eq!(payment.refundable_minor, 500 - held - sums.external() - payment.disputes.lost);
            }
        }
    }

    fn report(&mut self, payment: usize, report: Report) {
        let change = apply(&self.case(payment, None), report, None, &Next::Nothing, Some("pi_1"), now());
        self.apply(payment, None, change);
    }

    fn refund_report(&mut self, payment: usize, refund: usize, report: Report, reference: Option<&str>) {
        let change = apply(&self.case(payment, Some(refund)), report, None, &Next::Nothing, reference, now());
        self.apply(payment, Some(refund), change);
    }

    fn take(&mut self, payment: usize, amount: i64) -> usize {
        let of = &self.payments[payment];
        let refund = Refund {
            tenant_id: of.tenant_id.clone(),
            id: RefundId::keyed(&of.tenant_id, &self.refunds.len().to_string()),
            payment_id: of.id.clone(),
            invoice_id: of.invoice_id.clone(),
            refund_of: String::new(),
            status: RefundStatus::Processing,
            amount,
            currency: of.currency,
            reason: None,
            external: false,
            frozen: FrozenRefund {
                gateway: Gateway::Stripe,
                account: "acct_1".to_owned(),
                api_version: "v".to_owned(),
                payment: "pi_1".to_owned(),
                reverse_transfer: false,
            },
            created_by: of.created_by.clone(),
            created_at: now(),
            fingerprint: String::new(),
            failure: None,
            gateway_ref: None,
            progress: Progress::reserved(&of.tenant_id, now()),
        };
        let change = take(&self.case(payment, None), refund);
        self.apply(payment, None, Some(change));
        self.refunds.len() - 1
    }

    fn refund(&mut self, payment: usize, amount: i64) -> usize {
        let refund = self.take(payment, amount);
        let reference = format!("re_{refund}");
        self.refund_report(payment, refund, Report::Succeeded, Some(&reference));
        refund
    }

    fn disputes(&mut self, payment: usize, disputed: bool, lost: i64) {
        let stands = Standing { disputed, asked: false, disputes: Disputes { seen: 1, lost } };
        let change = standing(&self.case(payment, None), stands, None);
        self.apply(payment, None, change);
    }

    fn states(&self) -> (InvoiceStatus, Vec<PaymentStatus>) {
        (self.invoice.status, self.payments.iter().map(|payment| payment.status).collect())
    }
}

#[test]
fn a_dispute_on_a_bank_payment_is_its_return_and_frees_the_invoice() {
    let mut desk = Desk::new(PaymentMethod::Ach);
    desk.report(1, Report::Succeeded);
    desk.disputes(1, true, 0);
    assert_eq!(desk.states(), (InvoiceStatus::Approved, vec![PaymentStatus::Failed, PaymentStatus::Returned]));
    assert_eq!((desk.invoice.current.clone(), desk.invoice.disputed), (None, false));
    assert_eq!(desk.alerts, [AlertKind::Returned]);
}

#[test]
fn a_debit_believed_never_sent_that_its_bank_returned_was_presented_and_leaves_the_invoice_as_it_is() {
    for (code, barred) in [("R01", false), ("R10", true)] {
        let mut desk = Desk::new(PaymentMethod::Ach);
        let method = MethodId::of(&desk.invoice.tenant_id, "stripe", "pm_1");
        desk.payments[0].payment_method_id = Some(method.clone());
        desk.payments[0].failure = Some(Failure::new(FailureCode::GatewayUnavailable, None));
        desk.report(1, Report::Succeeded);
        let returned = return_code::failure(code, Some(code.to_owned()));
        let told = |desk: &Desk| {
            apply(&desk.case(0, None), Report::Declined, Some(&returned), &Next::Nothing, Some("tr_1"), now())
        };
        let change = told(&desk);
        assert!(change.is_some(), "{code}");
        desk.apply(0, None, change);
        assert_eq!(desk.states(), (InvoiceStatus::Paid, vec![PaymentStatus::Failed, PaymentStatus::Paid]));
        assert_eq!(desk.invoice.current.as_ref(), Some(&desk.payments[1].id));
        assert_eq!(desk.payments[0].failure.as_ref(), Some(&returned));
        assert_eq!(desk.payments[0].reference(), Some("tr_1"));
        let count = &desk.invoice.presentments[&method];
        assert_eq!((count.made, count.barred), (1, barred), "{code}");
        assert!(told(&desk).is_none(), "it is known");
    }
}

#[test]
fn what_stripe_refused_at_once_was_not_presented_although_it_names_a_banks_reason() {
    let mut desk = Desk::new(PaymentMethod::Ach);
    desk.payments[0].failure = Some(Failure::new(FailureCode::PaymentMethodInvalid, Some("account_closed".to_owned())));
    let shown = return_code::failure("R02", Some("account_closed".to_owned()));
    let change = apply(&desk.case(0, None), Report::Declined, Some(&shown), &Next::Nothing, Some("pi_1"), now());
    assert!(change.is_none());
}

#[test]
fn a_payment_that_paid_too_keeps_its_invoice_paid_when_the_other_is_taken_back() {
    let mut desk = Desk::new(PaymentMethod::Stripe);
    desk.report(1, Report::Succeeded);
    desk.report(0, Report::Succeeded);
    assert_eq!(desk.alerts, [AlertKind::PaidTwice]);
    desk.disputes(1, false, 500);
    assert_eq!(desk.states(), (InvoiceStatus::Paid, vec![PaymentStatus::Paid, PaymentStatus::Returned]));
    assert_eq!(desk.invoice.current.as_ref(), Some(&desk.payments[0].id));
}

#[test]
fn a_payment_that_paid_too_and_went_back_pays_nothing_any_more() {
    let mut desk = Desk::new(PaymentMethod::Stripe);
    desk.report(0, Report::Succeeded);
    let refund = desk.refund(0, 500);
    desk.report(1, Report::Declined);
    assert_eq!(desk.invoice.status, InvoiceStatus::Approved, "nobody has paid it");
    // The refund comes back: the money is here, and the invoice is paid by it.
    desk.refund_report(0, refund, Report::Declined, None);
    assert_eq!(desk.states(), (InvoiceStatus::Paid, vec![PaymentStatus::Paid, PaymentStatus::Failed]));
}

#[test]
fn a_refund_and_a_dispute_lost_in_part_end_the_same_in_either_order() {
    let ends = [true, false].map(|dispute_first| {
        let mut desk = Desk::new(PaymentMethod::Stripe);
        desk.report(1, Report::Succeeded);
        if dispute_first {
            desk.disputes(1, false, 200);
            assert_eq!(desk.payments[1].refundable_minor, 300);
            assert_eq!(desk.alerts, [AlertKind::DisputeLostInPart]);
        }
        desk.refund(1, 300);
        if !dispute_first {
            desk.disputes(1, false, 200);
        }
        assert!(desk.alerts.contains(&AlertKind::ReturnedAfterRefund));
        desk.states()
    });
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0].1[1], PaymentStatus::Returned);
}

#[test]
fn a_refund_that_was_given_back_and_lives_takes_its_amount_again_and_calls_somebody() {
    for (report, holds) in [(Report::Pending, RefundStatus::Processing), (Report::Succeeded, RefundStatus::Succeeded)] {
        let mut desk = Desk::new(PaymentMethod::Stripe);
        desk.report(1, Report::Succeeded);
        let refund = desk.take(1, 400);
        desk.refund_report(1, refund, Report::NotExecuted, None);
        assert_eq!(desk.payments[1].refundable_minor, 500);
        desk.refund(1, 300);
        desk.refund_report(1, refund, report, Some("re_late"));
        assert_eq!((desk.refunds[refund].status, desk.payments[1].refundable_minor), (holds, -200));
        assert!(desk.refunds[refund].progress.next_check_at.is_some() || holds == RefundStatus::Succeeded);
        assert_eq!(desk.alerts, [AlertKind::RefundExecuted]);
        desk.refund_report(1, refund, Report::Declined, Some("re_late"));
        assert_eq!(desk.payments[1].refundable_minor, 200);
    }
}

proptest! {
    /// The sums are checked after each step.
    #[test]
    fn whatever_is_reported_in_whatever_order_the_sums_are_those_of_the_refunds(
        steps in prop::collection::vec((0_usize..10, 0_usize..4, 0_usize..7, prop_oneof![1_i64..=500, Just(500)]), 1..40)
    ) {
        let mut desk = Desk::new(PaymentMethod::Stripe);
        for (kind, which, report, amount) in steps {
            let report = Report::ALL[report];
            let payment = which % 2;
            let of_payment: Vec<usize> = (0..desk.refunds.len()).filter(|i| desk.refunds[*i].payment_id == desk.payments[payment].id).collect();
            match kind {
                0 => desk.report(payment, report),
                9 => desk.report(payment, Report::Succeeded),
                1 | 2 if desk.payments[payment].refundable_minor >= amount => {
                    desk.take(payment, amount);
                }
                3..6 => {
                    if let Some(refund) = of_payment.get(which) {
                        let reference = format!("re_{refund}");
                        let shown = amount % 2 == 0;
                        desk.refund_report(payment, *refund, report, shown.then_some(reference.as_str()));
                    }
                }
                6 => {
                    let change = told(&desk.case(payment, None), amount);
                    desk.apply(payment, None, change);
                }
                7 => desk.disputes(payment, amount % 2 == 0, if amount % 3 == 0 { amount } else { 0 }),
                _ => {}
            }
            let invoice = &desk.invoice;
            let current = desk.payments.iter().find(|one| invoice.current.as_ref() == Some(&one.id));
            if invoice.status == InvoiceStatus::Approved {
                let pays = |one: &Payment| {
                    matches!(one.status, PaymentStatus::Paid | PaymentStatus::PartiallyRefunded) && !one.is_going_back()
                };
                prop_assert!(!desk.payments.iter().any(pays), "free to be paid although it is: {:?}", desk.states());
                prop_assert!(current.is_none());
            }
            let expected = match current.map(|one| one.status) {
                Some(PaymentStatus::Paid) => Some(InvoiceStatus::Paid),
                Some(PaymentStatus::PartiallyRefunded) => Some(InvoiceStatus::PartiallyRefunded),
                Some(PaymentStatus::Refunded) => Some(InvoiceStatus::Refunded),
                _ => None,
            };
            prop_assert!(expected.is_none_or(|expected| expected == invoice.status), "{:?}", desk.states());
        }
    }
}
