#include "random_tensors.hpp"

#include "../../../examples/paper/protocol.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

using namespace gradcon;

namespace {

using Bytes = std::vector<std::uint8_t>;

} // namespace

TEST_SUITE("protocol") {
    TEST_CASE("the Fashion-MNIST protocol: 60/20/20 of each class, every index once, the ratio of outliers") {
        std::vector<std::uint8_t> labels(1000);
        for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::uint8_t>(i % 10);
        for (const double ratio : {0.1, 0.3, 0.5}) {
            Rng rng(3);
            const auto split = paper::fashion_mnist_split(labels, 4, ratio, rng);
            CHECK(split.train.size() == 60);
            CHECK(split.validation.size() == 20);
            std::set<std::size_t> seen;
            for (const auto* part : {&split.train, &split.validation, &split.test})
                for (const std::size_t i : *part) CHECK(seen.insert(i).second);
            for (const auto* part : {&split.train, &split.validation})
                for (const std::size_t i : *part) CHECK(labels[i] == 4);
            std::size_t outliers = 0;
            for (std::size_t i = 0; i < split.test.size(); ++i) {
                CHECK((labels[split.test[i]] != 4) == (split.anomalous[i] == 1));
                outliers += split.anomalous[i];
            }
            CHECK(split.test.size() - outliers == 20);
            CHECK(static_cast<double>(outliers) / static_cast<double>(split.test.size()) ==
                  doctest::Approx(ratio).epsilon(0.05));
            Rng same(3), other(4);
            CHECK(paper::fashion_mnist_split(labels, 4, ratio, same).test == split.test);
            CHECK(paper::fashion_mnist_split(labels, 4, ratio, other).test != split.test);
        }
        Rng rng(1);
        CHECK(throws_naming<ValueError>([&] { paper::fashion_mnist_split(labels, 11, 0.5, rng); },
                                        {"class 11", "0 images"}));
        CHECK_THROWS_AS(paper::fashion_mnist_split(labels, 1, 0, rng), ValueError);
        CHECK_THROWS_AS(paper::fashion_mnist_split(labels, 1, 1, rng), ValueError);
        const std::vector<std::uint8_t> one_class(100, 1);
        CHECK_THROWS_AS(paper::fashion_mnist_split(one_class, 1, 0.5, rng), ValueError);
    }

    TEST_CASE("the protocol of CIFAR-10 and MNIST: official parts, 10 % for validation, half the test set outliers") {
        Bytes train(205), test(70);
        for (std::size_t i = 0; i < train.size(); ++i) train[i] = static_cast<std::uint8_t>(i % 5);
        for (std::size_t i = 0; i < test.size(); ++i) test[i] = static_cast<std::uint8_t>(i % 7 % 5);
        Rng rng(3);
        const auto split = paper::official_split(train, test, 1, rng);
        CHECK(split.train.size() == 36);
        CHECK(split.validation.size() == 5);
        std::set<std::size_t> seen;
        for (const auto* part : {&split.train, &split.validation})
            for (const std::size_t i : *part) CHECK((train.at(i) == 1 && seen.insert(i).second));
        REQUIRE(split.test.size() == 40); // 20 of class 1: those with i % 7 of 1 and 6
        CHECK(split.anomalous.size() == 40);
        seen.clear();
        for (std::size_t i = 0; i < split.test.size(); ++i) {
            CHECK((test.at(split.test[i]) != 1) == (i >= 20));
            CHECK(split.anomalous[i] == (i >= 20 ? 1 : 0));
            CHECK(seen.insert(split.test[i]).second);
        }
        CHECK(std::is_sorted(split.test.begin(), split.test.begin() + 20));
        const auto first = [](const std::vector<std::size_t>& indices, std::ptrdiff_t from) {
            return std::vector<std::size_t>(indices.begin() + from, indices.begin() + from + 5);
        };
        // A seed gives these on every platform.
        CHECK(first(split.train, 0) == std::vector<std::size_t>{146, 116, 86, 56, 46});
        CHECK(split.validation == std::vector<std::size_t>{166, 66, 141, 36, 176});
        CHECK(first(split.test, 0) == std::vector<std::size_t>{1, 6, 8, 13, 15});
        CHECK(first(split.test, 20) == std::vector<std::size_t>{45, 26, 11, 23, 18});

        CHECK(throws_naming<ValueError>([&] { paper::official_split(train, test, 9, rng); },
                                        {"class 9", "0 images to train", "others 70"}));
        CHECK_THROWS_AS(paper::official_split(Bytes{1}, test, 1, rng), ValueError);
        CHECK_THROWS_AS(paper::official_split(train, Bytes{0, 2}, 1, rng), ValueError);
        CHECK(throws_naming<ValueError>(
            [&] {
                paper::official_split(train, Bytes{1, 1, 0}, 1, rng);
            },
            {"2 to test with, the others 1", "0.5"}));
        CHECK(paper::official_split(Bytes{1, 1}, Bytes{0, 1}, 1, rng).train.size() == 1);
    }
}
