package recommender

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// programs are the compiled computations of a model of one size: a step of training, and scores.
type programs struct {
	params      []parameter
	step, score *Exec
}

// Adam's constants, its authors'.
const (
	beta1   = .9
	beta2   = .999
	epsilon = 1e-8
)

// programs returns the computations for a size, made once.
func (r *Recommender) programs(s sizes) (*programs, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.progs[s]; ok {
		return p, nil
	}
	p := &programs{params: r.arch.parameters(s)}
	var err error
	if p.step, err = NewExec(r.backend, func(args []*Node) []*Node { return r.buildStep(p.params, s, args) }); err != nil {
		return nil, fmt.Errorf("recommender: %s: %w", r.name, err)
	}
	if p.score, err = NewExec(r.backend, func(args []*Node) []*Node {
		v, _ := r.view(p.params, s, args)
		return []*Node{r.arch.score(v)}
	}); err != nil {
		return nil, fmt.Errorf("recommender: %s: %w", r.name, err)
	}
	r.progs[s] = p
	return p, nil
}

// view names the arguments of a program: the parameters, then a batch. It returns the arguments behind these.
func (r *Recommender) view(params []parameter, s sizes, args []*Node) (*view, []*Node) {
	v := &view{sizes: s, batch: r.options.Batch, param: map[string]*Node{}}
	for k, p := range params {
		v.param[p.name] = args[k]
	}
	b := args[len(params):]
	v.user, v.item, v.history, v.label, v.there, v.words, v.wordWeights = b[0], b[1], b[2], b[3], b[4], b[5], b[6]
	return v, b[batchInputs:]
}

// buildStep is one step of Adam. Its arguments are the parameters, the batch, labels and weights, [1/(1-beta1^t), 1/(1-beta2^t)], the generator's
// state, and for each parameter both moments. It returns the parameters and the moments. All of it is one program, so that no gradient of a
// table ever leaves the device.
func (r *Recommender) buildStep(params []parameter, s sizes, args []*Node) []*Node {
	v, rest := r.view(params, s, args)
	labels, weights, correction := rest[0], rest[1], rest[2]
	v.random, v.dropout = rest[3], r.options.Dropout
	moments := rest[4:]
	var each *Node
	switch score := r.arch.score(v); r.options.Loss {
	case LogLoss:
		each = Sub(Add(MaxScalar(score, 0.), Log1P(Exp(Neg(Abs(score))))), Mul(score, labels))
	default:
		each = Square(Sub(score, labels))
	}
	loss := Div(ReduceAllSum(Mul(each, weights)), ReduceAllSum(weights))
	grads := Gradient(loss, args[:len(params)]...)
	at := func(n *Node, k int) *Node { return Reshape(Slice(n, AxisRange(k, k+1)), 1, 1) }
	var values, first, second []*Node
	for k, p := range args[:len(params)] {
		g := Add(grads[k], MulScalar(p, r.options.WeightDecay))
		m := Add(MulScalar(moments[k], beta1), MulScalar(g, 1-beta1))
		u := Add(MulScalar(moments[len(params)+k], beta2), MulScalar(Square(g), 1-beta2))
		change := Div(Mul(m, at(correction, 0)), AddScalar(Sqrt(Mul(u, at(correction, 1))), epsilon))
		values = append(values, Sub(p, MulScalar(change, r.options.LearningRate)))
		first, second = append(first, m), append(second, u)
	}
	return append(append(values, first...), second...)
}

// corrections undo the moments' start from zero at step t, counted from 1.
func corrections(t int) []float32 {
	return []float32{float32(1 / (1 - math.Pow(beta1, float64(t)))), float32(1 / (1 - math.Pow(beta2, float64(t))))}
}
