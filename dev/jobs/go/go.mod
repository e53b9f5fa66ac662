// SPDX-License-Identifier: GPL-2.0-or-later
module example.org/sums

go 1.19
