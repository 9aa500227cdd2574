package backbone

import (
	"math"
	"math/bits"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// ScaleSuffix stands behind the name of a quantized weight [out, in] int8 for the name of its scales [out] float32, which a Layer has beside
// it: the integers times scale o, rotated by blocks (RotationBlock), are output o's weights.
const ScaleSuffix = ".scale"

// Largest is the largest integer that a quantized number takes, either way. -128 is left out, so that the range is symmetric.
const Largest = 127

// RotationBlock is how many neighbouring inputs are mixed before a product is quantized: 64, or the next lower power of four that divides their
// number. Of 64 inputs of which one is large, as some of a transformer's always are, a Hadamard matrix makes 64 of about the same
// size, so that the small ones are not all rounded away. Weights are mixed alike when they are quantized, and the product stays what it
// was: the matrix is orthogonal. Powers of four, since their entries of ±1/√n are exact in every type. (QuaRot, arXiv 2404.00456, does so with all inputs at once.)
func RotationBlock(inputs int) int {
	n := 64
	for inputs%n != 0 {
		n /= 4
	}
	return n
}

// Hadamard is entry i, k of the rotation of n numbers, ±1/√n. It is symmetric and its own inverse.
func Hadamard(i, k, n int) float32 {
	sign := 1 - 2*(bits.OnesCount(uint(i&k))&1)
	return float32(sign) / float32(math.Sqrt(float64(n)))
}

// frozen is x W^T for one of a layer's frozen weights: x [rows, in] -> [rows, out]. Where the weight is quantized, so is every row of x, rotated,
// by its own largest number, and the product is one of integers.
func (gr *Transformer) frozen(l *Layer, name string, x *Node) *Node {
	w, scale := l.Weights[name], l.Weights[name+ScaleSuffix]
	if scale == nil {
		return dense(x, w)
	}
	q, unit := quantized(rotated(x))
	y := ConvertDType(integers(q, w, 1), dtypes.Float32)
	return ConvertDType(Mul(Mul(y, unit), ExpandAxes(scale, 0)), gr.DType)
}

// frozenBack is y W, which carries a gradient back through frozen: y [rows, out] -> [rows, in]. Rounding has no gradient of its own: what
// goes back is what would without it, of the weights as they are quantized. The scales, which belong to the axis that is summed over, go
// into y before it is quantized.
func (gr *Transformer) frozenBack(l *Layer, name string, y *Node) *Node {
	w, scale := l.Weights[name], l.Weights[name+ScaleSuffix]
	if scale == nil {
		return denseBack(y, w)
	}
	q, unit := quantized(Mul(ConvertDType(y, dtypes.Float32), ExpandAxes(scale, 0)))
	back := ConvertDType(Mul(ConvertDType(integers(q, w, 0), dtypes.Float32), unit), gr.DType)
	return ConvertDType(rotated(back), gr.DType)
}

// rotated mixes the numbers of every row of x [rows, width] by blocks; its result is float32. Doing it twice changes nothing.
func rotated(x *Node) *Node {
	rows, width := x.Shape().Dimensions[0], x.Shape().Dimensions[1]
	n := RotationBlock(width)
	entries := make([]float32, n*n)
	for i := range entries {
		entries[i] = Hadamard(i/n, i%n, n)
	}
	h := ConvertDType(Reshape(Const(x.Graph(), entries), n, n), x.DType())
	y := Dot(Reshape(x, rows*width/n, n), h).WithAccumulatorDType(dtypes.InvalidDType).WithOutputDType(dtypes.Float32).General([]int{1}, nil, []int{0}, nil)
	return Reshape(y, rows, width)
}

// quantized rounds every row of x [rows, width] float32 to int8, and returns what one is worth in each, [rows, 1] float32.
func quantized(x *Node) (q, unit *Node) {
	largest := MaxScalar(ReduceAndKeep(Abs(x), ReduceMax, -1), 1e-30)
	steps := Div(Scalar(x.Graph(), x.DType(), Largest), largest)
	return ConvertDType(Round(Mul(x, steps)), dtypes.Int8), MulScalar(largest, 1./Largest)
}

// integers is the product of a [rows, n] with w over w's axis, both int8: in int32, exact, or in float32 on the Go backend, which would add
// bytes up in bytes. Float32 rounds sums above 2^24, those of a thousand numbers of about the largest size.
func integers(a, w *Node, axis int) *Node {
	if a.Graph().Backend().Name() == GoBackend {
		return Dot(ConvertDType(a, dtypes.Float32), ConvertDType(w, dtypes.Float32)).General([]int{1}, nil, []int{axis}, nil)
	}
	return Dot(a, w).WithAccumulatorDType(dtypes.InvalidDType).WithOutputDType(dtypes.Int32).General([]int{1}, nil, []int{axis}, nil)
}

// GoBackend is the name that GoMLX's own backend gives itself; its type is not exported.
const GoBackend = "Go Backend"
