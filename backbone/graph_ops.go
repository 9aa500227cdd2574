package backbone

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// barrier keeps XLA from moving work across x. A barrier of one operand is a no-op in go-xla (the CPU compiler got it wrong), so
// a constant goes with it.
func barrier(x *Node) *Node {
	return OptimizationBarriers(x, ScalarZero(x.Graph(), dtypes.Float32))[0]
}

// normWeight is a norm's float32 weight, with Gemma's "1 +" applied.
func (gr *Transformer) normWeight(w *Node) *Node {
	w = ConvertDType(w, dtypes.Float32)
	if gr.Config.NormPlusOne {
		w = AddScalar(w, 1)
	}
	return w
}

// norm is root-mean-square normalization over the last axis of x [rows, width], computed in float32.
func (gr *Transformer) norm(x, weight *Node) *Node {
	xf := ConvertDType(x, dtypes.Float32)
	y := Mul(Mul(xf, gr.inverseRMS(xf)), ExpandAxes(gr.normWeight(weight), 0))
	return ConvertDType(y, gr.DType)
}

func (gr *Transformer) inverseRMS(xf *Node) *Node {
	mean := ReduceAndKeep(Square(xf), ReduceMean, -1)
	return Reciprocal(Sqrt(AddScalar(mean, gr.Config.NormEps)))
}

// normBack carries the gradient dy back through norm.
func (gr *Transformer) normBack(x, weight, dy *Node) *Node {
	xf := ConvertDType(x, dtypes.Float32)
	inv := gr.inverseRMS(xf)
	xhat := Mul(xf, inv)
	d := Mul(ConvertDType(dy, dtypes.Float32), ExpandAxes(gr.normWeight(weight), 0))
	dx := Mul(inv, Sub(d, Mul(xhat, ReduceAndKeep(Mul(d, xhat), ReduceMean, -1))))
	return ConvertDType(dx, gr.DType)
}

// headNorm normalizes every head of x [rows, heads*headDim] by itself.
func (gr *Transformer) headNorm(x, weight *Node) *Node {
	dims := x.Shape().Dimensions
	return Reshape(gr.norm(Reshape(x, -1, gr.Config.HeadDim), weight), dims...)
}

func (gr *Transformer) headNormBack(x, weight, dy *Node) *Node {
	dims := x.Shape().Dimensions
	d := gr.Config.HeadDim
	return Reshape(gr.normBack(Reshape(x, -1, d), weight, Reshape(dy, -1, d)), dims...)
}

// gatedActivation is act(gate) * up, of both side by side: [rows, 2*ffn] -> [rows, ffn].
func (gr *Transformer) gatedActivation(gateUp *Node) *Node {
	gate, up := columns(gateUp, 0, gr.Config.FFN), columns(gateUp, gr.Config.FFN, 2*gr.Config.FFN)
	act, _ := gr.activation(ConvertDType(gate, dtypes.Float32))
	return ConvertDType(Mul(act, ConvertDType(up, dtypes.Float32)), gr.DType)
}

// gatedActivationBack carries the gradient dy of gatedActivation's result back to gate and up, side by side.
func (gr *Transformer) gatedActivationBack(gateUp, dy *Node) *Node {
	gate, up := columns(gateUp, 0, gr.Config.FFN), columns(gateUp, gr.Config.FFN, 2*gr.Config.FFN)
	act, slope := gr.activation(ConvertDType(gate, dtypes.Float32))
	d := ConvertDType(dy, dtypes.Float32)
	dGate := Mul(Mul(d, ConvertDType(up, dtypes.Float32)), slope)
	dUp := Mul(d, act)
	return Concatenate([]*Node{ConvertDType(dGate, gr.DType), ConvertDType(dUp, gr.DType)}, -1)
}

// activation returns the activation function and its derivative.
func (gr *Transformer) activation(x *Node) (value, slope *Node) {
	if gr.Config.Activation == "gelu_tanh" {
		const c, a = 0.7978845608028654, 0.044715 // sqrt(2/pi)
		x2 := Square(x)
		th := Tanh(MulScalar(Mul(x, AddScalar(MulScalar(x2, a), 1)), c))
		half := MulScalar(AddScalar(th, 1), 0.5)
		inner := MulScalar(AddScalar(MulScalar(x2, 3*a), 1), c)
		return Mul(x, half), Add(half, MulScalar(Mul(Mul(x, OneMinus(Square(th))), inner), 0.5))
	}
	s := Sigmoid(x)
	return Mul(x, s), Mul(s, AddScalar(Mul(x, OneMinus(s)), 1))
}

// rotary returns the cosines and sines of every token's rotation, [B*T, 1, headDim/2] float32.
func (gr *Transformer) rotary(positions *Node, base float64, scaling *RopeScaling) (cos, sin *Node) {
	freq := rotaryFrequencies(gr.Config.HeadDim, base, scaling)
	p := ConvertDType(Reshape(positions, -1, 1, 1), dtypes.Float32)
	f := Reshape(Const(positions.Graph(), freq), 1, 1, len(freq))
	angle := Mul(p, f)
	return Cos(angle), Sin(angle)
}

// rotaryFrequencies are the rotation per position of each pair of a head's dimensions.
func rotaryFrequencies(headDim int, base float64, scaling *RopeScaling) []float32 {
	factors := scaling.RotaryFactors(headDim, base)
	out := make([]float32, headDim/2)
	for i := range out {
		out[i] = float32(1 / math.Pow(base, float64(2*i)/float64(headDim)) / factors[i])
	}
	return out
}

// rotate applies the rotary embedding (Hugging Face layout: halves, not pairs) to x [B*T, heads*headDim]; back turns the other
// way, which is its transpose and so carries gradients back.
func (gr *Transformer) rotate(x *Node, heads int, s Sight, back bool) *Node {
	d := gr.Config.HeadDim
	rows := x.Shape().Dimensions[0]
	h := ConvertDType(Reshape(x, rows, heads, d), dtypes.Float32)
	a := Slice(h, AxisRange(), AxisRange(), AxisRange(0, d/2))
	b := Slice(h, AxisRange(), AxisRange(), AxisRange(d/2, d))
	cos, sin := s.Cos, s.Sin
	if back {
		sin = Neg(sin)
	}
	y := Concatenate([]*Node{Sub(Mul(a, cos), Mul(b, sin)), Add(Mul(b, cos), Mul(a, sin))}, -1)
	return ConvertDType(Reshape(y, rows, heads*d), gr.DType)
}

// dropFactor is 0 where an element of an adapter's input is dropped and 1/(1-rate) elsewhere, in x's shape. The bits come from
// a counter hashed with the seed, so they are the same on every backend and cost no memory traffic.
func (gr *Transformer) dropFactor(x *Node, drop Dropout, salt uint32) *Node {
	p := drop.Rate
	g := x.Graph()
	shape := shapes.Make(dtypes.Uint32, x.Shape().Dimensions...)
	u := func(v uint32) *Node { return Const(g, v) }
	bits := Mul(IotaFull(g, shape), u(0x9E3779B1))
	bits = Add(bits, Mul(Add(drop.Seed, u(salt)), u(0xC2B2AE3D)))
	for _, m := range []struct {
		shift uint32
		mul   uint32
	}{{16, 0x85EBCA6B}, {13, 0xC2B2AE35}, {16, 1}} {
		bits = BitwiseXor(bits, BitwiseShiftRightLogical(bits, BroadcastToShape(u(m.shift), shape)))
		if m.mul != 1 {
			bits = Mul(bits, u(m.mul))
		}
	}
	keep := GreaterOrEqual(bits, u(uint32(p*math.MaxUint32)))
	return Where(keep, Scalar(g, gr.DType, 1/(1-p)), Scalar(g, gr.DType, 0))
}
