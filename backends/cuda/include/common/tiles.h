// The order in which the blocks of a persistent launch walk the tiles of a matrix.
#pragma once

namespace ww {

struct Tile {
  int row, column;
};

WW_DEVICE constexpr int divide_up(int a, int b) { return (a + b - 1) / b; }

// Tile number `n` of rows x columns: columns first, in bands of `kBand` rows, so that tiles which run at the same time
// share their rows and columns in L2.
template <int kBand> WW_DEVICE Tile banded(int n, int rows, int columns) {
  const int band = n / (kBand * columns), first = band * kBand;
  const int height = rows - first < kBand ? rows - first : kBand;
  const int inside = n - band * kBand * columns;
  return {first + inside % height, inside / height};
}

}  // namespace ww
