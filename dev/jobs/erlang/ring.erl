%% SPDX-License-Identifier: GPL-2.0-or-later
%% Messages around a ring of processes, tables, big integers, binaries and exceptions.
-module(ring).
-export([main/0]).

node_of(Next) ->
    receive
        {token, 0, From} -> From ! done;
        {token, N, From} -> Next ! {token, N - 1, From}, node_of(Next);
        {start, First} -> node_of(First)
    end.

fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).

main() ->
    First = spawn(fun() -> receive {start, Next} -> node_of(Next) end end),
    Last = lists:foldl(fun(_, Next) -> spawn(fun() -> node_of(Next) end) end, First, lists:seq(1, 999)),
    First ! {start, Last},
    First ! {token, 200000, self()},
    receive done -> io:format("around~n") end,
    Table = ets:new(t, [ordered_set]),
    [ets:insert(Table, {erlang:phash2(N), N}) || N <- lists:seq(1, 20000)],
    io:format("~p ~p~n", [ets:first(Table), ets:info(Table, size)]),
    Self = self(),
    [spawn(fun() -> Self ! {N, fib(20 + N)} end) || N <- lists:seq(1, 6)],
    io:format("~p~n", [[receive {N, F} -> F end || N <- lists:seq(1, 6)]]),
    Big = lists:foldl(fun(N, A) -> N * A end, 1, lists:seq(1, 500)),
    io:format("~s~n", [binary:encode_hex(erlang:md5(integer_to_binary(Big)))]),
    Text = << <<(N * 7 rem 256)>> || N <- lists:seq(1, 100000) >>,
    io:format("~p ~p~n", [erlang:crc32(Text), byte_size(zlib:compress(Text))]),
    io:format("~.10f~n", [math:sqrt(2)]),
    io:format("~p~n", [try hd(binary_to_list(<<>>)) catch error:Why -> Why end]).
