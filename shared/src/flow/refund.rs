//! Refunding: read, decide, take the amount, send, settle.
//!
//! The amount is taken from what the payment can still refund in the transaction that makes the refund, before the
//! gateway is called: refunds, running and done, never add up to more than was paid. It is given back when the refund
//! has definitely failed.

use super::keys::{api_version, refund_refusal};
use super::record::{Told, record};
use super::recover::{account_keys, touch, touch_payment};
use super::send::{Earlier, send};
use super::settle::{Finding, Pace, Source, reread, schedule_of, settle};
use super::{Invocation, Stop, find_payment, permitted};
use crate::app::App;
use crate::bounds;
use crate::gateway::Trouble;
use crate::id::{PaymentId, RefundId};
use crate::model::alert::RunAction;
use crate::model::invoice::Invoice;
use crate::model::movement::{Movement, Progress};
use crate::model::payment::{Gateway, Payment};
use crate::model::refund::{FrozenRefund, Refund, RefundStatus, refund_of};
use crate::model::tenant::Member;
use crate::model::transition::{self, Case};
use crate::money::Money;
use crate::policy::refund::{RefundRequest, asked, decide};
use crate::policy::refusal::{Code, Refusal};
use crate::policy::roles::Permission;
use crate::secrets::Keys;
use crate::store::commit::CommitError;
use crate::store::{Consistency, Key};

/// A refund request with what tells it from others.
#[derive(Clone, Debug)]
pub struct RefundOrder {
    /// What is asked.
    pub request: RefundRequest,
    /// The client's idempotency key.
    pub key: String,
    /// Of the request; the same key with another one is refused.
    pub fingerprint: String,
}

/// What a refund request led to.
#[derive(Clone, Debug)]
pub struct RefundResult {
    /// The refund as it stands.
    pub refund: Refund,
    /// The same request had made it before.
    pub replayed: bool,
}

/// Refunds, or answers what became of the same request before.
///
/// # Errors
/// Everything that stands against it; or [`Stop::Busy`] before anything was written.
pub async fn refund(app: &App, invocation: &Invocation, order: &RefundOrder) -> Result<RefundResult, Stop> {
    let tenant = invocation.tenant();
    let caller_key = Key::member(tenant, &invocation.actor.user_id);
    let refund_key = Key::refund(tenant, &RefundId::keyed(tenant, &order.key));
    let mut looked_up = false;
    // Known, both are read in one go with the rest; the caller may name them, and a first round finds them.
    let mut payment_id = order.request.payment_id.parse::<PaymentId>().ok();
    let mut invoice_id = order.request.invoice_id.clone();
    for round in 1..=bounds::DECISIONS {
        let payment_key = payment_id.as_ref().map(|id| Key::payment(tenant, id));
        let invoice_key = invoice_id.as_ref().map(|id| Key::invoice(tenant, id));
        let keys = [caller_key.clone(), refund_key.clone()].into_iter();
        let found = app.store.read(keys.chain(payment_key.clone()).chain(invoice_key), Consistency::Strong).await?;
        let caller = permitted(found.get(&caller_key)?, Permission::PaymentsRefund)?;
        if let Some(existing) = found.get::<Refund>(&refund_key)? {
            return replay(app, invocation, order, existing).await;
        }
        let payment = match payment_key.map(|key| found.get::<Payment>(&key)).transpose()?.flatten() {
            Some(payment) => payment,
            None => find_payment(app, invocation, &order.request.payment_id).await?,
        };
        if payment.status.is_unsettled() && !looked_up {
            looked_up = true;
            touch_payment(app, invocation, payment).await?;
            continue;
        }
        let invoice_key = Key::invoice(tenant, &payment.invoice_id);
        let invoice = match found.get::<Invoice>(&invoice_key)? {
            Some(invoice) => invoice,
            None => app.store.get(&invoice_key).await?.ok_or(Stop::Impossible("a payment without its invoice"))?,
        };
        payment_id = Some(payment.id.clone());
        invoice_id = Some(payment.invoice_id.clone());
        let money = decided(app, order, &caller, &payment)?;
        let opened = gateway_keys(app, &payment).await?;
        // A reservation that leaves no time to send would only burn its key.
        if invocation.gateway_time(app).is_none() {
            return Err(Stop::Busy);
        }
        let schedule = schedule_of(app, &invoice).await?;
        let before = Case { invoice, payment, refund: None, schedule };
        match reserve(app, invocation, order, &before, money).await {
            Ok(case) => return execute(app, invocation, case, opened).await,
            Err(Stop::Busy) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => return Err(error),
        }
    }
    Err(Stop::Busy)
}

fn decided(app: &App, order: &RefundOrder, caller: &Member, payment: &Payment) -> Result<Money, Stop> {
    let amount_refusal = refund_refusal(payment.frozen.gateway, asked(&order.request, payment));
    let money = decide(&order.request, caller, payment, amount_refusal).map_err(Stop::Refused)?;
    if app.config.payments_paused {
        return Err(Stop::refused(Refusal::new(Code::Paused, "The operator has paused payments; nothing was done.")));
    }
    Ok(money)
}

/// The secret of the account that was paid through: a refund goes nowhere else.
async fn gateway_keys(app: &App, payment: &Payment) -> Result<Keys, Stop> {
    match account_keys(app, Movement::Payment(payment)).await {
        Ok(keys) => Ok(keys),
        Err(Trouble::OtherAccount) => {
            let detail = format!(
                "{} was paid through another gateway account than the tenant's secret names; restore that secret, or refund in the gateway's dashboard.",
                payment.id
            );
            Err(Stop::refused(Refusal::new(Code::NotRefundable, detail)))
        }
        Err(trouble) => Err(Stop::Gateway(trouble.as_str())),
    }
}

/// The answer to a request that was made before.
async fn replay(app: &App, invocation: &Invocation, order: &RefundOrder, refund: Refund) -> Result<RefundResult, Stop> {
    if refund.fingerprint != order.fingerprint {
        return Err(Stop::refused(Refusal::new(
            Code::IdempotencyKeyReused,
            "The Idempotency-Key was used for another request; use a new one for a new refund.",
        )));
    }
    let recovered = touch(app, invocation, Movement::Refund(&refund)).await?;
    let refund = recovered.and_then(|recovered| recovered.case.refund).unwrap_or(refund);
    Ok(RefundResult { refund, replayed: true })
}

/// Writes the intent down and takes the amount. Takes the only right to send.
async fn reserve(
    app: &App,
    invocation: &Invocation,
    order: &RefundOrder,
    before: &Case,
    money: Money,
) -> Result<Case, Stop> {
    let now = app.clock.now();
    let payment = &before.payment;
    let reference = payment.reference().ok_or(Stop::Impossible("a refund of what the gateway does not know"))?;
    let refund = Refund {
        tenant_id: payment.tenant_id.clone(),
        id: RefundId::keyed(&payment.tenant_id, &order.key),
        payment_id: payment.id.clone(),
        invoice_id: payment.invoice_id.clone(),
        refund_of: refund_of(&payment.tenant_id, &payment.id),
        status: RefundStatus::Processing,
        amount: money.amount_minor,
        currency: money.currency,
        reason: order.request.reason,
        external: false,
        frozen: FrozenRefund {
            gateway: payment.frozen.gateway,
            account: payment.frozen.account.clone(),
            api_version: api_version(payment.frozen.gateway).to_owned(),
            payment: reference.to_owned(),
            reverse_transfer: payment.frozen.gateway == Gateway::Stripe
                && payment.frozen.destination.is_some()
                && !payment.is_transfer(),
        },
        created_by: invocation.actor.user_id.clone(),
        created_at: now,
        fingerprint: order.fingerprint.clone(),
        failure: None,
        gateway_ref: None,
        progress: Progress::reserved(&payment.tenant_id, now),
    };
    let change = transition::take(before, refund);
    let (commit, case) = record(app, invocation, before, change, Told::action("refund"));
    match app.store.commit(commit, invocation.deadline).await {
        Ok(()) => Ok(case),
        Err(CommitError::Conflict(_)) => Err(Stop::Busy),
        Err(error) => Err(error.into()),
    }
}

async fn execute(app: &App, invocation: &Invocation, case: Case, keys: Keys) -> Result<RefundResult, Stop> {
    let (case, sent) = send(app, invocation, case, keys, Earlier::Nothing).await;
    let finding = Finding { sent, source: Source::Reply, action: RunAction::Refund };
    let settled = match settle(app, invocation, case.clone(), &finding, Pace::Touch).await {
        Ok(settled) => settled,
        // The money may have moved; what the caller gets is what is written down.
        Err(error) => {
            tracing::error!(tenant_id = %case.payment.tenant_id, payment_id = %case.payment.id, %error, "settlement left to recovery");
            reread(app, case.movement()).await.unwrap_or(case)
        }
    };
    let refund = settled.refund.ok_or(Stop::Impossible("a refund's case without the refund"))?;
    Ok(RefundResult { refund, replayed: false })
}
