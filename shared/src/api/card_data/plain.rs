//! Text as a person sees it: digits of every script as `0` to `9`, nothing invisible, and no UUIDs, whose groups look
//! like those of cards often enough.

/// Digits that a keyboard or a font may produce, by their zero: ASCII, Arabic-Indic, Persian, Devanagari, Bengali, Thai,
/// full width, superscript and subscript are what cards and forms were seen with.
const ZEROS: [char; 10] = [
    '\u{660}',
    '\u{6f0}',
    '\u{966}',
    '\u{9e6}',
    '\u{e50}',
    '\u{ff10}',
    '\u{2070}',
    '\u{2080}',
    '\u{1d7ce}',
    '\u{1d7f6}',
];

/// The characters of a text, the digits in ASCII, full-width letters too, without what nobody sees.
pub(super) fn plain(text: &str) -> Vec<char> {
    let mut chars: Vec<char> = text.chars().filter(|c| !is_invisible(*c)).map(ascii).collect();
    hide_uuids(&mut chars);
    chars
}

fn ascii(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    // Three superscripts are in Latin-1, and not where the others are.
    match c {
        '\u{b9}' => return '1',
        '\u{b2}' => return '2',
        '\u{b3}' => return '3',
        '\u{2071}'..='\u{2073}' => return c,
        _ => {}
    }
    let digit = |zero: &char| u32::from(c).checked_sub(u32::from(*zero)).filter(|value| *value < 10);
    if let Some(digit) = ZEROS.iter().find_map(digit).and_then(|value| char::from_digit(value, 10)) {
        return digit;
    }
    // Full-width letters and marks stand in the order of ASCII.
    match u32::from(c) {
        code @ 0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// What takes no room: soft hyphens, joiners, marks of direction, byte order marks, variation selectors, and the keycap
/// that is drawn around a digit.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{20e3}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Groups of a UUID, in characters.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];
/// Characters of one, dashes included.
const UUID_LENGTH: usize = 36;

/// Takes the UUIDs out: one in fifty thousand has the digits of a card in its first three groups. Only those that RFC
/// 9562 knows, by version and variant, so that digits in groups like theirs are no way around.
fn hide_uuids(chars: &mut [char]) {
    let mut at = 0;
    while at + UUID_LENGTH <= chars.len() {
        if chars.get(at..).is_some_and(is_uuid) && is_alone(chars, at) {
            chars.iter_mut().skip(at).take(UUID_LENGTH).for_each(|c| *c = '\0');
            at += UUID_LENGTH;
        } else {
            at += 1;
        }
    }
}

/// Whether what has a UUID's length here is no part of a longer word.
fn is_alone(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    [before, chars.get(at + UUID_LENGTH)].iter().all(|c| c.is_none_or(|c| !c.is_alphanumeric()))
}

fn is_uuid(text: &[char]) -> bool {
    // The cheapest first: nearly no text goes on.
    let Some(word) = text.get(..UUID_LENGTH).filter(|_| text.get(UUID[0]) == Some(&'-')) else { return false };
    let groups: Vec<&[char]> = word.split(|c| *c == '-').collect();
    let formed = groups.iter().map(|group| group.len()).eq(UUID)
        && groups.iter().all(|group| group.iter().all(char::is_ascii_hexdigit));
    let first = |place: usize| groups.get(place).and_then(|group| group.first());
    formed && matches!(first(2), Some('1'..='8')) && matches!(first(3), Some('8' | '9' | 'a' | 'b' | 'A' | 'B'))
}
