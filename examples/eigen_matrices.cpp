// Pictures and tables that live in Eigen matrices, viewed where they are: nothing is copied.
#include <gradcon/detector/detector.hpp>
#include <gradcon/nn/models.hpp>

#include <Eigen/Core>

#include <cstdio>
#include <span>

namespace {

/// A detector that nobody has trained: the example is about its input.
gradcon::Detector<float> untrained(const gradcon::Autoencoder<gradcon::Chain, gradcon::Chain>& model,
                                   const gradcon::Input& input) {
    gradcon::Rng rng(1);
    const auto params = model.init(rng);
    gradcon::TrainedModel<float> trained{model, params, gradcon::GradCon{params.decoder, {}}};
    trained.policy.update(params.decoder);
    trained.input = input;
    return gradcon::Detector<float>(trained);
}

} // namespace

int main() {
    // A gray picture: Eigen's matrices are column-major, so that a step to the right is `rows` numbers.
    const auto pictures = untrained(gradcon::models::cae({.height = 16, .width = 16, .channels = 1, .widths = {4, 8}}),
                                    gradcon::ImageInput{.height = 16, .width = 16});
    const Eigen::MatrixXf picture = (Eigen::MatrixXf::Random(40, 30).array() + 1) / 2;
    const gradcon::ImageView<float> view{.data = picture.data(),
                                         .height = static_cast<std::size_t>(picture.rows()),
                                         .width = static_cast<std::size_t>(picture.cols()),
                                         .row_stride = picture.rowStride(),
                                         .pixel_stride = picture.colStride()};
    const double score = pictures.score(view).score;

    // The same picture row by row scores the same, to the last bit.
    const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> by_rows = picture;
    const double again =
        pictures.score(gradcon::ImageView<float>{.data = by_rows.data(), .height = 40, .width = 30}).score;

    // A table: each row of a row-major matrix is one sample.
    const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> table =
        Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>::Random(200, 6);
    const std::span<const double> numbers(table.data(), static_cast<std::size_t>(table.size()));
    const auto rows =
        untrained(gradcon::models::mlp({.values = 6, .widths = {12, 3}}), gradcon::TableInput::fit(numbers, 6));
    auto workspace = rows.workspace();
    double sum = 0;
    for (std::size_t i = 0; i < 200; ++i) sum += rows.score(numbers.subspan(i * 6, 6), workspace).score;

    std::printf("picture %.6f, by rows %.6f; mean of 200 rows %.6f\n", score, again, sum / 200);
    return score == again ? 0 : 1;
}
