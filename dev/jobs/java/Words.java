// SPDX-License-Identifier: GPL-2.0-or-later
import java.math.BigInteger;
import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.*;

/** Threads, hash tables, streams, expressions and what HotSpot compiles. */
public class Words {
    record Found(String word, long n) { }

    static String text(int part) {
        var text = new StringBuilder();
        for (int i = part; i < 5000; i++) {
            text.append("word").append((char) ('a' + i % 7)).append(" Wörter ").append(Integer.toHexString(i * -1640531535)).append('\n');
        }
        return text.toString();
    }

    static List<Found> count(String text) {
        return Pattern.compile("\\p{L}+").matcher(text).results().map(MatchResult::group)
            .collect(Collectors.groupingBy(w -> w, TreeMap::new, Collectors.counting())).entrySet().stream()
            .map(e -> new Found(e.getKey(), e.getValue())).filter(f -> f.n() > 400).toList();
    }

    public static void main(String[] args) throws Exception {
        var pool = Executors.newFixedThreadPool(3);
        var parts = new ArrayList<Future<List<Found>>>();
        for (int i = 0; i < 6; i++) {
            int part = i;
            parts.add(pool.submit(() -> count(text(part))));
        }
        for (var part : parts) {
            System.out.println(part.get());
        }
        pool.shutdown();
        var hash = MessageDigest.getInstance("SHA-256").digest(text(0).getBytes("UTF-8"));
        System.out.println(new BigInteger(1, hash).toString(16) + " " + BigInteger.TWO.pow(521).subtract(BigInteger.ONE).isProbablePrime(20));
        double sum = 0;
        for (int i = 1; i < 300000; i++) {
            sum += Math.sin(i) / Math.sqrt(i);
        }
        System.out.printf("%.9f%n", sum);
        try {
            Object nothing = args.length > 99 ? "" : null;
            System.out.println(nothing.hashCode());
        } catch (NullPointerException e) {
            System.out.println("none");
        }
    }
}
