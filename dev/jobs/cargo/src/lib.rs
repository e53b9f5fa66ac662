// SPDX-License-Identifier: GPL-2.0-or-later
use std::collections::BTreeMap;

/// How often each letter is in the text.
pub fn letters(text: &str) -> BTreeMap<char, usize> {
    let mut found = BTreeMap::new();
    for c in text.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphabetic()) {
        *found.entry(c).or_insert(0) += 1;
    }
    found
}

/// Of sixty-four bits, FNV-1a.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf29ce484222325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100000001b3))
}
