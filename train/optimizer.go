package train

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
)

// WithDefaults fills the fields that are zero.
func (h Hyper) WithDefaults() Hyper {
	set := func(p *float64, v float64) {
		if *p == 0 {
			*p = v
		}
	}
	set(&h.LearningRate, 1e-3)
	set(&h.Beta1, .9)
	set(&h.Beta2, .999)
	set(&h.Epsilon, 1e-8)
	set(&h.Clip, 1)
	if h.Batch == 0 {
		h.Batch = 128
	}
	if h.Epochs == 0 {
		h.Epochs = 1
	}
	if h.Order == "" {
		h.Order = OrderShuffled
	}
	if h.Patience == 0 {
		h.Patience = 10
	}
	return h
}

// Validate says which hyper-parameter makes no sense.
func (h Hyper) Validate() error {
	d := h.WithDefaults()
	for _, c := range []struct {
		name string
		v    float64
		ok   bool
	}{
		{"learning_rate", d.LearningRate, d.LearningRate > 0},
		{"beta1", d.Beta1, d.Beta1 >= 0 && d.Beta1 < 1},
		{"beta2", d.Beta2, d.Beta2 >= 0 && d.Beta2 < 1},
		{"epsilon", d.Epsilon, d.Epsilon > 0},
		{"weight_decay", d.WeightDecay, d.WeightDecay >= 0},
		{"clip", d.Clip, true},
		{"batch", float64(d.Batch), d.Batch > 0},
		{"epochs", float64(d.Epochs), d.Epochs > 0},
		{"warmup", float64(d.Warmup), d.Warmup >= 0},
		{"eval_every", float64(d.EvalEvery), d.EvalEvery >= 0},
		{"patience", float64(d.Patience), d.Patience > 0},
	} {
		if !c.ok || math.IsNaN(c.v) || math.IsInf(c.v, 0) {
			return fmt.Errorf("train: hyper-parameter %s is %v", c.name, c.v)
		}
	}
	if !slices.Contains(Orders(), d.Order) {
		return fmt.Errorf("train: order %q is unknown: use %s", d.Order, strings.Join(Orders(), " or "))
	}
	return nil
}

// rate is the learning rate of a step, counted from 0, out of total: linear warm-up, then linear decay to 0.
func (h Hyper) rate(step, total int) float64 {
	if step < h.Warmup {
		return h.LearningRate * float64(step) / float64(h.Warmup)
	}
	return h.LearningRate * float64(total-step) / float64(max(1, total-h.Warmup))
}

// step is one step of AdamW as torch.optim.AdamW defines it, after clipping the gradient's global norm. It works on the host: an
// adapter has a few hundred thousand numbers, and its state lives where checkpoints are written.
func (h Hyper) step(s *state, grad []float32, total int) {
	factor := 1.0
	if h.Clip > 0 {
		sum := 0.0
		for _, g := range grad {
			sum += float64(g) * float64(g)
		}
		// PyTorch adds 1e-6 to the norm, and never scales up.
		factor = min(1, h.Clip/(math.Sqrt(sum)+1e-6))
	}
	n := float64(s.step + 1)
	lr := h.rate(s.step, total)
	u := update{Hyper: h, factor: factor, decay: 1 - lr*h.WeightDecay, rate: lr / (1 - math.Pow(h.Beta1, n)), bias2: math.Sqrt(1 - math.Pow(h.Beta2, n))}
	// Numbers do not depend on each other, so neither do bits on how many cores there are.
	var wg sync.WaitGroup
	for lo := 0; lo < len(grad); lo += updateAtOnce {
		hi := min(lo+updateAtOnce, len(grad))
		wg.Go(func() { u.apply(s.params[lo:hi], s.m[lo:hi], s.v[lo:hi], grad[lo:hi]) })
	}
	wg.Wait()
}

// updateAtOnce is how many numbers one goroutine updates: a tenth of a millisecond or more.
const updateAtOnce = 1 << 15

// update is what a step's numbers share.
type update struct {
	Hyper
	factor, decay, rate, bias2 float64
}

func (u update) apply(params, m1, m2, grad []float32) {
	for i := range grad {
		g := float64(grad[i]) * u.factor
		p := float64(params[i]) * u.decay
		m := u.Beta1*float64(m1[i]) + (1-u.Beta1)*g
		v := u.Beta2*float64(m2[i]) + (1-u.Beta2)*g*g
		m1[i], m2[i] = float32(m), float32(v)
		params[i] = float32(p - u.rate*m/(math.Sqrt(v)/u.bias2+u.Epsilon))
	}
}
