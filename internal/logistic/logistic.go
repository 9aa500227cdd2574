// Package logistic fits small regularised logistic regressions: tens of features, up to millions of rows.
package logistic

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// ErrNotFitted says that no finite optimum was found: the rows say too little and the penalty does not bound the weights.
var ErrNotFitted = errors.New("logistic regression has no optimum")

// Penalty draws one weight towards Center: it adds Strength/2 (w - Center)² to the loss. In units of the loss of one row, so a strength
// of 10 is soon outweighed by some hundred rows.
type Penalty struct{ Center, Strength float64 }

// maxSteps bounds the Newton steps; well-posed problems take about ten.
const maxSteps = 100

// Fit returns the weights w that minimise
//
//	sum over rows of log(1 + exp(-s_i x_i·w)) + sum over weights of the penalties,    s_i = ±1 by label,
//
// found by Newton's method with halved steps. x has one row of len(penalties) features for each label, all rows one after another; a
// constant feature makes an intercept. The result depends on nothing else and has the same bits every time. It fails with ErrNotFitted
// where there is no finite optimum.
func Fit(x []float64, labels []bool, penalties []Penalty) ([]float64, error) {
	n, k := len(labels), len(penalties)
	if k == 0 || len(x) != n*k {
		return nil, fmt.Errorf("logistic: %d features in all for %d rows of %d", len(x), n, k)
	}
	for i, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("logistic: feature %d of row %d is %v", i%k, i/k, v)
		}
	}
	w := make([]float64, k)
	for i, p := range penalties {
		w[i] = p.Center
	}
	f := fit{x: x, labels: labels, penalties: penalties}
	loss := f.loss(w)
	for range maxSteps {
		step, err := f.step(w)
		if err != nil {
			return nil, err
		}
		size := 0.0
		for _, s := range step {
			size = max(size, math.Abs(s))
		}
		if size < 1e-10 {
			return w, nil
		}
		next, lower := w, loss
		for scale := 1.0; scale > 1e-6; scale /= 2 {
			try := make([]float64, k)
			for i := range try {
				try[i] = w[i] - scale*step[i]
			}
			if l := f.loss(try); l < loss {
				next, lower = try, l
				break
			}
		}
		if lower == loss { // at the optimum, as far as floating point can tell
			if size > 1e-3 {
				return nil, fmt.Errorf("%w: stuck %g away", ErrNotFitted, size)
			}
			return w, nil
		}
		w, loss = next, lower
	}
	return nil, fmt.Errorf("%w after %d steps", ErrNotFitted, maxSteps)
}

type fit struct {
	x         []float64
	labels    []bool
	penalties []Penalty
}

// margin is s_i x_i·w.
func (f *fit) margin(w []float64, i int) float64 {
	z := 0.0
	for j, v := range f.x[i*len(w) : (i+1)*len(w)] {
		z += v * w[j]
	}
	if f.labels[i] {
		return z
	}
	return -z
}

func (f *fit) loss(w []float64) float64 {
	sum := 0.0
	for i := range f.labels {
		m := f.margin(w, i)
		sum += max(-m, 0) + math.Log1p(math.Exp(-math.Abs(m)))
	}
	for j, p := range f.penalties {
		sum += p.Strength / 2 * (w[j] - p.Center) * (w[j] - p.Center)
	}
	return sum
}

// step is the Newton step H⁻¹g.
func (f *fit) step(w []float64) ([]float64, error) {
	k := len(w)
	g, h := make([]float64, k), make([]float64, k*k) // h holds the upper triangle
	for i, yes := range f.labels {
		row := f.x[i*k : (i+1)*k]
		wrong := 1 / (1 + math.Exp(f.margin(w, i))) // probability of the other label
		slope := -wrong
		if !yes {
			slope = wrong
		}
		curve := wrong * (1 - wrong)
		for a, u := range row {
			g[a] += slope * u
			bent := curve * u
			to := h[a*k : (a+1)*k]
			for b := a; b < k; b++ {
				to[b] += bent * row[b]
			}
		}
	}
	for j, p := range f.penalties {
		g[j] += p.Strength * (w[j] - p.Center)
		h[j*k+j] += p.Strength
	}
	var c mat.Cholesky
	if !c.Factorize(mat.NewSymDense(k, h)) {
		return nil, fmt.Errorf("%w: its curvature is singular at %v", ErrNotFitted, w)
	}
	var s mat.VecDense
	if err := c.SolveVecTo(&s, mat.NewVecDense(k, g)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFitted, err)
	}
	return s.RawVector().Data, nil
}
