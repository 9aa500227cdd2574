package study

import (
	"context"
	"fmt"
	"strings"

	"lsat/internal/logistic"
)

// stackPenalty draws the coefficients of a stack, in units of the loss of one sample: the prior's towards 1 and all others towards 0, so
// that little evidence leaves the prior as it is. A thousand samples outweigh it.
const stackPenalty = 10

// Coefficient is one term of a stacked score.
type Coefficient struct {
	// Part is "intercept", "prior", "long" or "short".
	Part string `json:"part"`
	// Value multiplies the part's log-odds.
	Value float64 `json:"value"`
}

// stacked are the log-odds that a stack adds up, one row of [1, prior, parts…] a sample.
type stacked struct {
	width  int
	x      []float64
	labels []bool
}

// stack serves the sum of the prior's and the parts' log-odds, with coefficients fitted on what served the periods that are over.
func (x *executor) stack(ctx context.Context, s step, seed uint64, parts []kept, o outcome) (outcome, error) {
	valid, test := x.lists.valid(s.combo.Valid), x.lists.test(s.test())
	validRows, err := x.stackRows(ctx, s, seed, "valid", parts, valid)
	if err != nil {
		return o, err
	}
	fitOn := validRows
	if len(s.combo.Past) > 0 {
		fitOn = stacked{width: validRows.width}
	}
	for _, p := range s.combo.Past {
		served := make([]kept, len(p.Parts))
		for i, j := range p.Parts {
			if served[i], err = x.job(ctx, j, seed); err != nil {
				return o, err
			}
		}
		rows, err := x.stackRows(ctx, s, seed, fmt.Sprintf("past/D%d", p.Test), served, x.lists.test(p.Test))
		if err != nil {
			return o, err
		}
		fitOn.x, fitOn.labels = append(fitOn.x, rows.x...), append(fitOn.labels, rows.labels...)
	}
	penalties := make([]logistic.Penalty, fitOn.width)
	for i := range penalties {
		penalties[i].Strength = stackPenalty
	}
	penalties[1].Center = 1
	w, err := logistic.Fit(fitOn.x, fitOn.labels, penalties)
	if err != nil {
		return o, fmt.Errorf("study: %s updated with D%d: %w", s.strategy.Name(), s.update, err)
	}
	for i, name := range append([]string{"intercept", "prior"}, s.combo.Names...) {
		o.coefficients = append(o.coefficients, Coefficient{name, w[i]})
	}
	if o.validAUC, err = x.auc(validRows.sum(w), valid); err != nil {
		return o, err
	}
	rows, err := x.stackRows(ctx, s, seed, "test", parts, test)
	if err != nil {
		return o, err
	}
	o.test = rows.sum(w)
	return o, nil
}

func (x *executor) stackRows(ctx context.Context, s step, seed uint64, part string, parts []kept, list *sampleList) (stacked, error) {
	columns := make([][]float64, 1, 1+len(parts))
	var err error
	if columns[0], err = x.priorOdds(ctx, list.samples()); err != nil {
		return stacked{}, err
	}
	for i, k := range parts {
		odds, err := x.adapterOdds(ctx, s, seed, part+"/"+s.combo.Names[i], k, list)
		if err != nil {
			return stacked{}, err
		}
		columns = append(columns, odds)
	}
	r := stacked{width: 1 + len(columns), labels: labelsOf(x.in.Stream, list.samples())}
	for i := range list.size {
		r.x = append(r.x, 1)
		for _, c := range columns {
			r.x = append(r.x, c[i])
		}
	}
	return r, nil
}

// sum is the stacked score of every row.
func (r stacked) sum(w []float64) []float64 {
	out := make([]float64, len(r.labels))
	for i := range out {
		for j, v := range r.x[i*r.width : (i+1)*r.width] {
			out[i] += w[j] * v
		}
	}
	return out
}

// CoefficientsText writes coefficients for people: "intercept -0.02, prior 0.97, long 0.31".
func CoefficientsText(cs []Coefficient) string {
	var words []string
	for _, c := range cs {
		words = append(words, fmt.Sprintf("%s %.2f", c.Part, c.Value))
	}
	return strings.Join(words, ", ")
}
