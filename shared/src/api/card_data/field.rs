//! Fields for account numbers, recognized by their names: whoever sends one means to send its value, whatever form
//! that has.

/// Names without case and marks. Fields of our own must not be among them; a test reads them all.
const NAMES: [&str; 32] = [
    "acctnum",
    "acctnumber",
    "acctno",
    "accountno",
    "accountnum",
    "bban",
    "cardno",
    "cardnum",
    "cardpan",
    "cardverificationcode",
    "cardverificationvalue",
    "ccno",
    "ccnum",
    "ccnumber",
    "clabe",
    "csc",
    "cvc",
    "cvc2",
    "cvn",
    "cvv",
    "cvv2",
    "fullpan",
    "pan",
    "pannumber",
    "routingno",
    "routingnumber",
    "securitycode",
    "sortcode",
    "track1",
    "track2",
    "trackdata",
    "transitnumber",
];

/// How names end that say the same with something before it: `bank_account_number`, `customerIban`, `card[cvc]`.
const ENDS: [&str; 10] = [
    "accountnumber",
    "accountnumbers",
    "cardcvc",
    "cardcvv",
    "cardnumber",
    "cardnumbers",
    "cardsecuritycode",
    "iban",
    "ibannumber",
    "ibancode",
];

/// Whether a field of this name is for an account number: `cardNumber`, `card-number` and `CARD NUMBER` are one name.
#[must_use]
pub fn is_account_field(name: &str) -> bool {
    let name = plain(name);
    NAMES.contains(&name.as_str()) || ends(&name)
}

/// The same of a field that is inside another: `number` in `card`, or in one of `cards`.
pub(super) fn is_inside(parent: &str, name: &str) -> bool {
    let (parent, name) = (plain(parent), plain(name));
    let one = parent.strip_suffix('s').unwrap_or(&parent);
    !parent.is_empty() && (ends(&format!("{parent}{name}")) || ends(&format!("{one}{name}")))
}

fn ends(name: &str) -> bool {
    ENDS.iter().any(|end| name.ends_with(end))
}

fn plain(name: &str) -> String {
    super::plain::plain(name).into_iter().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
