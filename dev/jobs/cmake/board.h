// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdexcept>
#include <vector>

struct Attacked : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Board {
    std::vector<int> rows;
    int size;
public:
    explicit Board(int size) : size(size) {}
    void put(int column);
    long solutions();
};
