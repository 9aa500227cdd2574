package study

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lsat/baseline"
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
	models []baseline.Model
	sum    stackModel
}

// blended fits a sum for serving a period: its coefficients to what its parts served the blendPeriods periods before, drawn to the first part
// alone. Where nothing was served, that is what it is.
func (x *executor) blended(ctx context.Context, r reference, served int) (baseline.Model, error) {
	names := []string{"intercept"}
	for _, part := range r.parts {
		names = append(names, part.name)
	}
	past := []stacked{{width: len(names)}}
	for p := max(1, served-blendPeriods); p < served; p++ {
		models, err := x.partsOf(ctx, r, p)
		if err != nil {
			return nil, err
		}
		rows, err := modelRows(models, x.in.Stream, indices(x.in.Stream.Periods[p].All))
		if err != nil {
			return nil, err
		}
		past = append(past, rows)
	}
	models, err := x.partsOf(ctx, r, served)
	if err != nil {
		return nil, err
	}
	sum, err := fitStack(joined(past), names, false)
	if err != nil {
		return nil, fmt.Errorf("fitting %s: %w", r.name, err)
	}
	return blend{models, sum}, nil
}

// partsOf are the parts of a sum as they served a period.
func (x *executor) partsOf(ctx context.Context, r reference, served int) ([]baseline.Model, error) {
	var out []baseline.Model
	for _, part := range r.parts {
		m, err := x.fit(ctx, part, served)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// modelRows are the models' log-odds of samples.
func modelRows(models []baseline.Model, s *period.Stream, samples []int) (stacked, error) {
	var columns [][]float64
	for _, m := range models {
		odds, err := m.Score(s, samples)
		if err != nil {
			return stacked{}, err
		}
		columns = append(columns, odds)
	}
	return stackedOf(columns, labelsOf(s, samples)), nil
}

// Score implements baseline.Model.
func (b blend) Score(s *period.Stream, samples []int) ([]float64, error) {
	rows, err := modelRows(b.models, s, samples)
	if err != nil {
		return nil, err
	}
	return b.sum.score(rows), nil
}
