// make_idx_set FOLDER: a small IDX image set of two classes, bright and dark, for a run of the quickstart.
#include "small_sets.hpp"

int main(int argc, char** argv) {
    if (argc != 2) return 1;
    make_idx_set(argv[1], 12);
}
