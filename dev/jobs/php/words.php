<?php
// SPDX-License-Identifier: GPL-2.0-or-later
declare(strict_types=1);

final class Words implements IteratorAggregate
{
    private array $found = [];

    public function add(string $text): void
    {
        preg_match_all('/\p{L}+/u', $text, $words);
        foreach ($words[0] as $word) {
            $this->found[$word] = ($this->found[$word] ?? 0) + 1;
        }
    }

    public function getIterator(): Generator
    {
        uksort($this->found, fn ($a, $b) => $this->found[$b] <=> $this->found[$a] ?: strcmp($a, $b));
        yield from $this->found;
    }
}

$words = new Words();
for ($i = 0; $i < 100000; $i++) {
    $words->add(sprintf('word%s Wörter %.3f %s', chr(97 + $i % 7), sqrt($i), md5((string) $i)));
}
foreach ($words as $word => $n) {
    if ($n < 1000) {
        break;
    }
    echo "$word: $n\n";
}
echo hash('sha256', serialize(iterator_to_array($words))), ' ', crc32(json_encode(range(1, 5000))), "\n";
$grid = array_map(fn ($x) => array_map(fn ($y) => sin($x) * cos($y), range(0, 60)), range(0, 60));
printf("%.9f %s\n", array_sum(array_map('array_sum', $grid)), number_format(array_product(range(1, 20))));
try {
    intdiv(1, 0);
} catch (DivisionByZeroError $e) {
    echo $e->getMessage(), "\n";
}
