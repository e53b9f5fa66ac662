// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
const { count } = require('words');
const assert = require('assert');
const crypto = require('crypto');
const zlib = require('zlib');

// hot enough for the compiler of V8
let text = '';
for (let i = 0; i < 20000; i++) {
  text += `word${i % 7} Wörter ${Math.sqrt(i).toFixed(3)} ${(i * 2654435761 >>> 0).toString(16)}\n`;
}
const found = count(text);
assert(found.length > 7);
console.log(JSON.stringify(found.slice(0, 20)));
const hash = crypto.createHash('sha256').update(text).digest('hex');
const packed = zlib.gzipSync(text);
assert.equal(zlib.gunzipSync(packed).toString(), text);
console.log(hash, 2n ** 200n % 1000007n);
