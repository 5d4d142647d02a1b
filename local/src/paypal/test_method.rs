//! Test payment methods, each a `vault_id` that anybody may charge, named after what comes of it:
//!
//! | `vault_id` | what comes of charging it |
//! |---|---|
//! | `paypal_ok`, `card_ok` | the money is there |
//! | `paypal_ISSUE`, `card_ISSUE`, such as `paypal_INSTRUMENT_DECLINED` | 403 or 422 with that issue, and no order |
//! | `paypal_declined`, `card_declined` | the order is completed, its capture declined |
//! | `card_5120`, `card_5120_02` | so is this, with a processor's response code, and an advice code |
//! | `paypal_pending`, `paypal_pending_ECHECK` | the capture is pending, for the reason `PENDING_REVIEW` or another |
//! | `paypal_refund_pending`, `paypal_refund_failed` | the money is there; refunds are pending, or fail |
//! | `paypal_disputed` | the money is there, and the payer opens a dispute at once |

use super::issue;

/// What comes of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    /// With a reason.
    Pending(String),
    /// With a processor's response code and an advice code.
    Declined(Option<String>, Option<String>),
    /// No order, but this issue.
    Refused(&'static str),
}

/// What comes after a charge that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Later {
    Nothing,
    RefundPends,
    RefundFails,
    Disputed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TestMethod {
    /// `paypal` or `card`.
    pub source: &'static str,
    pub outcome: Outcome,
    pub later: Later,
}

/// Why a capture may be pending.
const REASONS: &[&str] = &[
    "BUYER_COMPLAINT",
    "CHARGEBACK",
    "ECHECK",
    "INTERNATIONAL_WITHDRAWAL",
    "OTHER",
    "PENDING_REVIEW",
    "RECEIVING_PREFERENCE_MANDATES_MANUAL_ACTION",
    "TRANSACTION_APPROVED_AWAITING_FUNDING",
    "UNILATERAL",
    "VERIFICATION_REQUIRED",
];

/// Codes with which processors decline.
const CODES: &[&str] = &[
    "00N7", "0100", "0390", "0500", "0580", "0960", "10BR", "1330", "1335", "1352", "1380", "1382", "1393", "5100",
    "5110", "5120", "5130", "5135", "5140", "5150", "5170", "5180", "5190", "5200", "5210", "5400", "5650", "5700",
    "5710", "5910", "5920", "5930", "5950", "6300", "7700", "7710", "8000", "8100", "8110", "8220", "9100", "9500",
    "9510", "9520", "9540", "PCVV", "PP06", "PPAB", "PPAX", "PPCT", "PPD3", "PPEF", "PPEL", "PPER", "PPEX", "PPFI",
    "PPFR", "PPNL", "PPNT", "PPRN",
];

const ADVICE: &[&str] = &["01", "02", "03", "04", "21", "22", "24", "25", "26", "27", "28", "29", "30", "40", "43"];

/// The test method of this name.
pub(super) fn find(id: &str) -> Option<TestMethod> {
    let (source, what) = match id.split_once('_')? {
        ("paypal", what) => ("paypal", what),
        ("card", what) => ("card", what),
        _ => return None,
    };
    let then = |later| Some(TestMethod { source, outcome: Outcome::Completed, later });
    let outcome = match what {
        "ok" => Outcome::Completed,
        "declined" => Outcome::Declined(None, None),
        "pending" => Outcome::Pending("PENDING_REVIEW".to_owned()),
        "refund_pending" => return then(Later::RefundPends),
        "refund_failed" => return then(Later::RefundFails),
        "disputed" => return then(Later::Disputed),
        _ => other(source, what)?,
    };
    Some(TestMethod { source, outcome, later: Later::Nothing })
}

fn other(source: &str, what: &str) -> Option<Outcome> {
    if let Some(reason) = what.strip_prefix("pending_") {
        return REASONS.contains(&reason).then(|| Outcome::Pending(reason.to_owned()));
    }
    let (code, advice) = what.split_once('_').map_or((what, None), |(code, advice)| (code, Some(advice)));
    if source == "card" && CODES.contains(&code) && advice.is_none_or(|advice| ADVICE.contains(&advice)) {
        return Some(Outcome::Declined(Some(code.to_owned()), advice.map(str::to_owned)));
    }
    let (status, issue) = issue::find(what)?;
    matches!(status, 403 | 422).then_some(Outcome::Refused(issue))
}
