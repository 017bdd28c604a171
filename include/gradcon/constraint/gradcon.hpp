#pragma once

#include "gradcon/constraint/alignment.hpp"
#include "gradcon/constraint/reference.hpp"
#include "gradcon/tree/algebra.hpp"
#include "gradcon/tree/tree.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What a selector learns about a tensor of the tree.
struct TensorInfo {
    std::string name;         // path in the tree, such as "0.weight"
    std::size_t rank;         // number of dimensions
    std::size_t highest_rank; // among all tensors of the tree
};

/// The default selector of monitored tensors; any callable bool(const TensorInfo&) is one.
namespace monitor {
/// The tensors of the highest rank. In the paper's decoder these are the convolution weights, in an MLP
/// the Linear weights, among plain spans all.
inline bool highest_rank(const TensorInfo& tensor) { return tensor.rank == tensor.highest_rank; }
} // namespace monitor

/// alpha >= 0 weighs the alignment in training, beta >= 0 in the score. The defaults are the paper's.
struct GradConOptions {
    double alpha = 0.03;
    double beta = 0.12;
};

/// The gradient constraint (Kwon et al., ECCV 2020, section 4): watches some tensors phi_i of a gradient tree, keeps a
/// reference gradient gbar_i of each, and says how well new gradients g_i align with it:
///     L_grad = -(1/n) sum_i cos(gbar_i, g_i)      training minimises  J = L + alpha * L_grad
///     score  = mse + beta * L_grad of one image   higher is more anomalous
/// `Tree` is any tensor tree: the parameters of a decoder, or a std::vector<std::span<const float>> on foreign memory.
template <TensorTree Tree>
class GradCon {
  public:
    using Gradients = Tree;
    using Scalar = scalar_t<Tree>;

    /// @param like a tree of the form that gradients will have (its values are not read)
    /// @throws ValueError for an option outside its range, or when the selector takes no tensor
    explicit GradCon(const Tree& like, const GradConOptions& options = {})
        : GradCon(like, options, monitor::highest_rank) {}

    template <std::predicate<const TensorInfo&> Selector>
    GradCon(const Tree& like, const GradConOptions& options, Selector&& selects) : options_(options) {
        const auto weight = [](double value) { return is_finite(value) && value >= 0; };
        if (!weight(options.alpha) || !weight(options.beta))
            throw ValueError(
                message("GradCon: alpha and beta are 0 or more; given: ", options.alpha, " and ", options.beta));
        std::size_t highest = 0, index = 0;
        for_each_tensor([&](const auto& tensor) { highest = std::max(highest, rank(tensor)); }, like);
        std::vector<std::size_t> sizes;
        for_each_named_tensor(
            [&](const std::string& name, const auto& tensor) {
                if (selects(TensorInfo{name, rank(tensor), highest})) {
                    monitored_.push_back(index);
                    names_.push_back(name);
                    sizes.push_back(tensor.size());
                }
                ++index;
            },
            like);
        if (monitored_.empty()) throw ValueError("GradCon: the selector takes none of the tensors");
        reference_ = ReferenceGradients<Scalar>(sizes);
    }

    const GradConOptions& options() const { return options_; }
    const ReferenceGradients<Scalar>& reference() const { return reference_; }
    ReferenceGradients<Scalar>& reference() { return reference_; }
    /// How many tensors are monitored, their names, and their places in the order of for_each_tensor.
    std::size_t count() const { return monitored_.size(); }
    const std::vector<std::string>& names() const { return names_; }
    const std::vector<std::size_t>& monitored() const { return monitored_; }

    /// f(number, tensor) for each monitored tensor of a tree of the constructor's form.
    template <TensorTree Any, class F>
    void for_each_monitored(Any& tree, F&& f) const {
        std::size_t index = 0, i = 0;
        for_each_tensor(
            [&](auto& tensor) {
                const bool monitored = i < count() && monitored_[i] == index;
                ++index;
                if (monitored) f(i++, tensor);
            },
            tree);
    }

    /// The alignment of each monitored tensor; all 0 before the first update.
    std::vector<Alignment> alignments(const Tree& g) const { return align_all(select<const Scalar>(g)); }

    /// L_grad, in [-1, 1]; 0 before the first update.
    double penalty(const Tree& g) const { return penalty(alignments(g)); }
    double penalty(std::span<const Alignment> alignments) const {
        double sum = 0;
        for (const Alignment& a : alignments) sum += a.cosine;
        return -sum / static_cast<double>(count());
    }

    /// u += dL_grad/dg on the monitored tensors (the direction of the second-order term), where u is a tree of the same
    /// form with writable elements. @return L_grad
    template <TensorTree Direction>
    double add_penalty_gradient(const Tree& g, Direction& u) const {
        const auto gradients = select<const Scalar>(g);
        const auto directions = select<Scalar>(u);
        const auto found = align_all(gradients);
        for (std::size_t i = 0; i < count(); ++i)
            add_cosine_gradient(reference_.values(i), gradients[i], found[i], -1.0 / static_cast<double>(count()),
                                directions[i]);
        return penalty(found);
    }

    /// One more training step's gradient of the total loss J for the reference.
    void update(const Tree& g) { reference_.update(select<const Scalar>(g)); }

    /// The anomaly score of one sample from its loss and the gradients of that loss.
    double score(double loss, const Tree& g) const { return loss + options_.beta * penalty(g); }

  private:
    std::vector<Alignment> align_all(const std::vector<std::span<const Scalar>>& gradients) const {
        std::vector<Alignment> result(count());
        for (std::size_t i = 0; i < count(); ++i)
            result[i] = align(reference_.values(i), reference_.squared_norm(i), gradients[i]);
        return result;
    }

    /// Views of the monitored tensors, of `Element` (Scalar or const Scalar).
    /// @throws ShapeError when the tree has not the form of the constructor's
    template <class Element, class Any>
    std::vector<std::span<Element>> select(Any& tree) const {
        std::vector<std::span<Element>> spans;
        for_each_monitored(tree, [&](std::size_t i, auto& tensor) {
            if (tensor.size() != reference_.values(i).size())
                throw ShapeError(message("GradCon: monitored tensor ", names_[i], " has ", tensor.size(),
                                         " elements, its reference ", reference_.values(i).size()));
            spans.emplace_back(tensor.data(), tensor.size());
        });
        if (spans.size() != count())
            throw ShapeError(message("GradCon: ", count(), " monitored tensors needed, ", spans.size(), " found"));
        return spans;
    }

    GradConOptions options_;
    std::vector<std::size_t> monitored_;
    std::vector<std::string> names_;
    ReferenceGradients<Scalar> reference_;
};

template <TensorTree Tree>
GradCon(const Tree&, const GradConOptions&) -> GradCon<Tree>;

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
