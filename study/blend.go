package study

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lsat/baseline"
	"lsat/internal/logistic"
	"lsat/period"
	"lsat/recommender"
)

// blendPeriods is how many of the newest served periods a blend is fitted on: what was served long ago came from models of few periods.
const blendPeriods = 5

// blendOf makes a reference that adds up others' log-odds, named with + between them: "counts-memory+mf". Each is any reference that learns from
// D_0 … D_t, once.
func blendOf(name string) (reference, error) {
	r := reference{name: name}
	names := strings.Split(name, "+")
	for i, n := range names {
		if !slices.Contains(priorNames(), n) {
			return reference{}, fmt.Errorf("unknown part %q of %q: a sum takes %s", n, name, strings.Join(priorNames(), ", "))
		}
		if slices.Contains(names[:i], n) {
			return reference{}, fmt.Errorf("%q has %s twice", name, n)
		}
		part, err := newReference(n)
		if err != nil {
			return reference{}, err
		}
		r.parts = append(r.parts, part)
	}
	r.model = r.parts[0].model // serves period 0, where it can: before that nothing has been served that a sum could be fitted on
	return r, nil
}

// priorNames are the references that learn from D_0 … D_t at every update, and so can be parts of sums and priors.
func priorNames() []string { return slices.Concat(sortedKeys(baselines), recommender.Names()) }

// blend is a fitted sum of models.
type blend struct {
	models       []baseline.Model
	w            []float64 // of 1 and the models
	coefficients []Coefficient
}

// blended fits a sum for serving a period: its coefficients to what its parts served the blendPeriods periods before, drawn to the first part
// alone. Where nothing was served, that is what it is.
func (x *executor) blended(ctx context.Context, r reference, served int) (baseline.Model, error) {
	b := blend{}
	for _, part := range r.parts {
		m, err := x.fit(ctx, part, served)
		if err != nil {
			return nil, err
		}
		b.models = append(b.models, m)
	}
	s := x.in.Stream
	rows := stacked{width: 1 + len(r.parts)}
	for p := max(1, served-blendPeriods); p < served; p++ {
		past := blend{}
		for _, part := range r.parts {
			m, err := x.fit(ctx, part, p)
			if err != nil {
				return nil, err
			}
			past.models = append(past.models, m)
		}
		samples := indices(s.Periods[p].All)
		more, err := past.rows(s, samples)
		if err != nil {
			return nil, err
		}
		rows.x, rows.labels = append(rows.x, more.x...), append(rows.labels, labelsOf(s, samples)...)
	}
	var err error
	if b.w, err = logistic.Fit(rows.x, rows.labels, stackPenalties(rows.width, false)); err != nil {
		return nil, fmt.Errorf("fitting %s: %w", r.name, err)
	}
	b.coefficients = []Coefficient{{Part: "intercept", Value: b.w[0]}}
	for i, part := range r.parts {
		b.coefficients = append(b.coefficients, Coefficient{Part: part.name, Value: b.w[i+1]})
	}
	return b, nil
}

// rows are the models' log-odds of samples, behind a 1, without labels.
func (b blend) rows(s *period.Stream, samples []int) (stacked, error) {
	r := stacked{width: 1 + len(b.models), x: make([]float64, len(samples)*(1+len(b.models)))}
	for k := range samples {
		r.x[k*r.width] = 1
	}
	for i, m := range b.models {
		odds, err := m.Score(s, samples)
		if err != nil {
			return r, err
		}
		for k, v := range odds {
			r.x[k*r.width+1+i] = v
		}
	}
	return r, nil
}

// Score implements baseline.Model.
func (b blend) Score(s *period.Stream, samples []int) ([]float64, error) {
	r, err := b.rows(s, samples)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(samples))
	for k := range out {
		for i, w := range b.w {
			out[k] += w * r.x[k*r.width+i]
		}
	}
	return out, nil
}
