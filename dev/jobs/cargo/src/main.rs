// SPDX-License-Identifier: GPL-2.0-or-later
use std::sync::mpsc::channel;
use std::{env, fs, process, thread};

fn main() {
    let path = env::args().nth(1).expect("a file");
    let text = fs::read_to_string(path).expect("text");
    let (send, receive) = channel();
    for n in 1..=8usize {
        let (send, text) = (send.clone(), text.repeat(n * 500));
        thread::spawn(move || send.send((n, words::hash(text.as_bytes()), words::letters(&text))).unwrap());
    }
    drop(send);
    let mut all: Vec<_> = receive.iter().collect();
    all.sort();
    for (n, hash, letters) in &all {
        println!("{n}: {hash:016x} {letters:?}");
    }
    let caught = std::panic::catch_unwind(|| all[usize::from(all.len() > 1) * 99].0);
    println!("{}, {:.3}", caught.is_err(), (all.len() as f64).ln());
    process::exit(i32::from(caught.is_ok()));
}
