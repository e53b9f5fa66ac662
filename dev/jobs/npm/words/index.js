// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';

exports.count = text => {
  const found = new Map();
  for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) {
    found.set(word, (found.get(word) || 0) + 1);
  }
  return [...found].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
};
