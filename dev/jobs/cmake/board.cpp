// SPDX-License-Identifier: GPL-2.0-or-later
#include "board.h"
#include <cstdlib>
#include <string>

void Board::put(int column)
{
    int row = rows.size();

    for (int other = 0; other < row; other++) {
        int far = std::abs(rows[other] - column);

        if (far == 0 || far == row - other) {
            throw Attacked("by row " + std::to_string(other));
        }
    }
    rows.push_back(column);
}

// by exceptions, as these unwind
long Board::solutions()
{
    if (int(rows.size()) == size) {
        return 1;
    }
    long found = 0;

    for (int column = 0; column < size; column++) {
        try {
            put(column);
            found += solutions();
            rows.pop_back();
        } catch (const Attacked &) {
        }
    }
    return found;
}
