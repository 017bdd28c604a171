// peer_onednn N     images/s if scoring cost only the sum of oneDNN's primitives, N images at once: the paper network's
//                   convolutions forward (ReLU fused), the decoder's backward passes, and one weight gradient for each
//                   image. Activation layouts are oneDNN's choice; reorders, sigmoid, loss and cosines are not counted.
#include "network.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <unordered_map>

namespace {

using dnnl::memory;
using Dims = memory::dims;

const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
dnnl::stream stream(engine);

memory::desc any(const Dims& dims) { return {dims, memory::data_type::f32, memory::format_tag::any}; }
memory room(const memory::desc& desc) {
    memory m(desc, engine);
    std::fill_n(static_cast<float*>(m.get_data_handle()), desc.get_size() / sizeof(float), 0.1F);
    return m;
}
double seconds(const dnnl::primitive& primitive, const std::unordered_map<int, memory>& arguments) {
    return 1 / rate(
                   [&] {
                       primitive.execute(stream, arguments);
                       stream.wait();
                   },
                   0.1);
}

constexpr auto prop = dnnl::prop_kind::forward_training;

double convolution(memory::dim n, memory::dim in, memory::dim out, memory::dim large, memory::dim small) {
    dnnl::post_ops relu;
    relu.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(relu);
    const memory::dim right = 2 * (small - 1) + 4 - large - 2;
    const dnnl::convolution_forward::desc desc(prop, dnnl::algorithm::convolution_direct, any({n, in, large, large}),
                                               any({out, in, 4, 4}), any({out}), any({n, out, small, small}), {2, 2},
                                               {2, 2}, {right, right});
    const dnnl::convolution_forward::primitive_desc pd(desc, attributes, engine);
    return seconds(dnnl::convolution_forward(pd), {{DNNL_ARG_SRC, room(pd.src_desc())},
                                                   {DNNL_ARG_WEIGHTS, room(pd.weights_desc())},
                                                   {DNNL_ARG_BIAS, room(pd.bias_desc())},
                                                   {DNNL_ARG_DST, room(pd.dst_desc())}});
}

/// Forward and backward of n images, and the weight gradients of n images one by one.
double deconvolution(memory::dim n, memory::dim in, memory::dim out, memory::dim small, memory::dim large,
                     memory::dim padding, bool wants_dx) {
    const auto describe = [&](memory::dim images) {
        const dnnl::deconvolution_forward::desc desc(
            prop, dnnl::algorithm::deconvolution_direct, any({images, in, small, small}), any({out, in, 4, 4}),
            any({out}), any({images, out, large, large}), {2, 2}, {padding, padding}, {padding, padding});
        return dnnl::deconvolution_forward::primitive_desc(desc, engine);
    };
    const auto pd = describe(n);
    double sum = seconds(dnnl::deconvolution_forward(pd), {{DNNL_ARG_SRC, room(pd.src_desc())},
                                                           {DNNL_ARG_WEIGHTS, room(pd.weights_desc())},
                                                           {DNNL_ARG_BIAS, room(pd.bias_desc())},
                                                           {DNNL_ARG_DST, room(pd.dst_desc())}});
    if (wants_dx) {
        const dnnl::deconvolution_backward_data::desc desc(
            dnnl::algorithm::deconvolution_direct, any({n, in, small, small}), any({out, in, 4, 4}),
            any({n, out, large, large}), {2, 2}, {padding, padding}, {padding, padding});
        const dnnl::deconvolution_backward_data::primitive_desc back(desc, engine, pd);
        sum += seconds(dnnl::deconvolution_backward_data(back), {{DNNL_ARG_DIFF_SRC, room(back.diff_src_desc())},
                                                                 {DNNL_ARG_WEIGHTS, room(back.weights_desc())},
                                                                 {DNNL_ARG_DIFF_DST, room(back.diff_dst_desc())}});
    }
    const auto one = describe(1);
    const dnnl::deconvolution_backward_weights::desc desc(
        dnnl::algorithm::deconvolution_direct, any({1, in, small, small}), any({out, in, 4, 4}),
        any({1, out, large, large}), {2, 2}, {padding, padding}, {padding, padding});
    const dnnl::deconvolution_backward_weights::primitive_desc back(desc, engine, one);
    return sum + static_cast<double>(n) * seconds(dnnl::deconvolution_backward_weights(back),
                                                  {{DNNL_ARG_SRC, room(back.src_desc())},
                                                   {DNNL_ARG_DIFF_WEIGHTS, room(back.diff_weights_desc())},
                                                   {DNNL_ARG_DIFF_DST, room(back.diff_dst_desc())}});
}

} // namespace

int main(int argc, char** argv) {
    const memory::dim n = argc > 1 ? std::stol(argv[1]) : 1;
    const double sum = convolution(n, 1, 32, 28, 15) + convolution(n, 32, 32, 15, 8) + convolution(n, 32, 64, 8, 5) +
                       convolution(n, 64, 64, 5, 3) + deconvolution(n, 64, 64, 3, 4, 2, false) +
                       deconvolution(n, 64, 32, 4, 8, 1, true) + deconvolution(n, 32, 32, 8, 14, 2, true) +
                       deconvolution(n, 32, 1, 14, 28, 1, true);
    std::printf("%.6g\n", static_cast<double>(n) / sum);
}
