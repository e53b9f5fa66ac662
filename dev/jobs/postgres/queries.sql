-- SPDX-License-Identifier: GPL-2.0-or-later
\set ON_ERROR_STOP on
select count(*), sum(delta) from pgbench_history;
select sum(abalance), count(*) from pgbench_accounts;
select sum(tbalance), (select sum(bbalance) from pgbench_branches) from pgbench_tellers;
create table words as select n, md5(n::text) as word, sqrt(n)::numeric(12, 6) as root from generate_series(1, 20000) as n;
create index on words (word);
analyze words;
select count(*), min(word), max(word), sum(root) from words where word like 'a%';
select string_agg(word, ',' order by word desc) from words where n % 4999 = 1;
select jsonb_agg(jsonb_build_object('n', n, 'root', root)) from words where n < 5;
with recursive f(a, b) as (values (0::numeric, 1::numeric) union all select b, a + b from f where b < 1e40) select max(a) from f;
-- by LLVM
set jit_above_cost = 0;
set jit_inline_above_cost = 0;
set jit_optimize_above_cost = 0;
select n % 7 as k, count(*), sum(n * 2 + 1), avg(root)::numeric(12, 6) from words where n % 3 <> 0 group by k order by k;
