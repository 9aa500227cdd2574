package backbone

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas

	"lsat/adapter"
)

// loraForward computes the adapter's additions to the modules that share one input x [rows, in]: scale * dropout(x) A^T B^T.
// The modules' A factors are laid side by side, so that x is read once; they share one dropout mask.
func (gr *Transformer) loraForward(layer int, t *tape, site string, x *Node, modules ...string) map[string]*Node {
	var as []*Node
	lt := &loraTape{input: x}
	for _, m := range modules {
		if f, ok := gr.Adapter[adapter.Key{Layer: layer, Module: m}]; ok {
			as = append(as, f.A)
			lt.slots = append(lt.slots, m)
		}
	}
	if len(as) == 0 {
		return nil
	}
	if gr.Dropout.Rate > 0 {
		lt.factor = gr.dropFactor(x, uint32(4*layer+siteSalt[site]))
		lt.input = Mul(x, lt.factor)
	}
	lt.z = dense(lt.input, ConvertDType(concatenate(as, 0), gr.DType))
	t.lora[site] = lt
	out := map[string]*Node{}
	at := 0
	for i, m := range lt.slots {
		r := as[i].Shape().Dimensions[0]
		b := ConvertDType(MulScalar(gr.Adapter[adapter.Key{Layer: layer, Module: m}].B, gr.Scale), gr.DType)
		out[m] = dense(columns(lt.z, at, at+r), b)
		at += r
	}
	return out
}

var siteSalt = map[string]int{"attn_in": 0, "attn_out": 1, "mlp_in": 2, "mlp_out": 3}

// loraBack adds the factors' gradients to grads and returns the gradient of the modules' shared input (nil if no module is
// adapted or needInput is false). dy has the gradients of the modules' outputs.
func (gr *Transformer) loraBack(layer int, t *tape, site string, dy map[string]*Node, needInput bool, grads map[adapter.Key]LoRA) *Node {
	lt := t.lora[site]
	if lt == nil {
		return nil
	}
	var dzs, as []*Node
	at := 0
	for _, m := range lt.slots {
		key := adapter.Key{Layer: layer, Module: m}
		f := gr.Adapter[key]
		r := f.A.Shape().Dimensions[0]
		b := ConvertDType(MulScalar(f.B, gr.Scale), gr.DType)
		dzs = append(dzs, denseBack(dy[m], b))
		as = append(as, f.A)
		grads[key] = LoRA{B: MulScalar(Transpose(barrier(overRows(columns(lt.z, at, at+r), dy[m])), 0, 1), gr.Scale)}
		at += r
	}
	dz := concatenate(dzs, -1)
	dA := overRows(dz, lt.input)
	at = 0
	for i, m := range lt.slots {
		key := adapter.Key{Layer: layer, Module: m}
		r := as[i].Shape().Dimensions[0]
		g := grads[key]
		g.A = Slice(dA, AxisRange(at, at+r), AxisRange())
		grads[key] = g
		at += r
	}
	if !needInput {
		return nil
	}
	dx := denseBack(dz, ConvertDType(concatenate(as, 0), gr.DType))
	if lt.factor != nil {
		dx = Mul(dx, lt.factor)
	}
	return dx
}

func concatenate(xs []*Node, axis int) *Node {
	if len(xs) == 1 {
		return xs[0]
	}
	return Concatenate(xs, axis)
}

// Loss is the summed cross-entropy -log sigmoid(±log-odds) over the targets, and its gradient with respect to the
// log-odds. labels [N] is 1 for yes and 0 for no; weights [N] is 0 for padding. All are float32.
func Loss(logOdds, labels, weights *Node) (loss, dLogOdds *Node) {
	sign := AddScalar(MulScalar(labels, 2), -1)
	m := Mul(logOdds, sign)
	// log(1+exp(-m)), stable on both sides
	each := Add(MaxScalar(Neg(m), 0.0), Log1P(Exp(Neg(Abs(m)))))
	loss = ReduceAllSum(Mul(each, weights))
	return loss, Mul(Sub(Sigmoid(logOdds), labels), weights)
}
