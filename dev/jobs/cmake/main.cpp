// SPDX-License-Identifier: GPL-2.0-or-later
#include "board.h"
#include <future>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>

int main(int argc, char **argv)
{
    int size = argc > 1 ? std::stoi(argv[1]) : 6;
    std::vector<std::future<long>> parts;
    std::map<std::string, double> shares;
    long all = 0;

    for (int column = 0; column < size; column++) {
        parts.push_back(std::async(std::launch::async, [=] {
            Board board(size);
            board.put(column);
            return board.solutions();
        }));
    }
    for (int column = 0; column < size; column++) {
        long found = parts[column].get();
        std::ostringstream name;

        name << std::setw(3) << std::setfill('0') << column;
        shares[name.str()] = found;
        all += found;
    }
    std::cout << all << " solutions:";
    for (const auto &[name, found] : shares) {
        std::cout << ' ' << name << '=' << std::fixed << std::setprecision(4) << found / all;
    }
    std::cout << std::endl;
}
