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
	// Part is "intercept", "prior", "long" or "short"; of a sum of references, their names.
	Part string `json:"part"`
	// Value multiplies the part's log-odds; with By, their product with the gate's feature of that name, less Mean and divided by SD.
	Value float64 `json:"value"`
	By    string  `json:"by,omitempty"`
	Mean  float64 `json:"mean,omitempty"`
	SD    float64 `json:"sd,omitempty"`
}

// stacked are the log-odds that a stack adds up, one row of [1, prior, parts…] a sample.
type stacked struct {
	width  int
	x      []float64
	labels []bool
	// gate holds the features of a gated stack, len(gateNames) a row; nil for a plain one.
	gate []float64
}

func (r stacked) features(row int) []float64 {
	return r.gate[row*len(gateNames) : (row+1)*len(gateNames)]
}

// stack serves the sum of the prior's and the parts' log-odds, with coefficients fitted on what served the periods that are over.
func (x *executor) stack(ctx context.Context, s step, seed uint64, parts []kept, o outcome) (outcome, error) {
	valid, test := x.lists.valid(s.combo.Valid), x.lists.test(s.test())
	validRows, err := x.stackRows(ctx, s, seed, parts, valid)
	if err != nil {
		return o, err
	}
	var past []stacked
	for _, p := range s.combo.Past {
		served, err := x.adapters(ctx, p.Parts, seed)
		if err != nil {
			return o, err
		}
		rows, err := x.stackRows(ctx, s, seed, served, x.lists.test(p.Test))
		if err != nil {
			return o, err
		}
		past = append(past, rows)
	}
	m, err := fitServed(past, validRows, append([]string{"intercept", "prior"}, s.combo.Names...), s.combo.Gated)
	if err != nil {
		return o, fmt.Errorf("study: %s updated with D%d: %w", s.strategy.Name(), s.update, err)
	}
	o.coefficients = m.coefficients
	if o.validAUC, err = x.auc(m.score(validRows), valid); err != nil {
		return o, err
	}
	rows, err := x.stackRows(ctx, s, seed, parts, test)
	if err != nil {
		return o, err
	}
	o.test = m.score(rows)
	return o, nil
}

// fitServed fits a stack to what served past periods or, at the first update, to the validation part.
func fitServed(past []stacked, valid stacked, names []string, gated bool) (stackModel, error) {
	switch {
	case len(past) == 0:
		return fitStack(valid, names, false)
	case gated:
		return fitGated(past, names)
	}
	return fitStack(joined(past), names, false)
}

// joined puts rows of several lists one after another.
func joined(lists []stacked) stacked {
	out := stacked{width: lists[0].width}
	for _, r := range lists {
		out.x, out.labels, out.gate = append(out.x, r.x...), append(out.labels, r.labels...), append(out.gate, r.gate...)
	}
	return out
}

// stackModel is a fitted stack.
type stackModel struct {
	w            []float64
	gated        bool
	gate         gate
	coefficients []Coefficient
}

// fitStack fits the coefficients of the named columns, with a gate on them where that is asked for.
func fitStack(rows stacked, names []string, gated bool) (stackModel, error) {
	m := stackModel{gated: gated}
	if gated {
		m.gate = newGate(rows)
		rows = m.gate.open(rows)
	}
	var err error
	if m.w, err = logistic.Fit(rows.x, rows.labels, stackPenalties(len(names), gated)); err != nil {
		return m, err
	}
	if gated {
		m.coefficients = m.gate.coefficients(names, m.w)
		return m, nil
	}
	for i, name := range names {
		m.coefficients = append(m.coefficients, Coefficient{Part: name, Value: m.w[i]})
	}
	return m, nil
}

// score is the stacked score of every row.
func (m stackModel) score(rows stacked) []float64 {
	if m.gated {
		rows = m.gate.open(rows)
	}
	return rows.sum(m.w)
}

func (x *executor) stackRows(ctx context.Context, s step, seed uint64, parts []kept, list *sampleList) (stacked, error) {
	columns := make([][]float64, 1, 1+len(parts))
	var err error
	if columns[0], err = x.priorOdds(ctx, list.samples()); err != nil {
		return stacked{}, err
	}
	for _, k := range parts {
		odds, err := x.adapterOdds(ctx, s, seed, k, list)
		if err != nil {
			return stacked{}, err
		}
		columns = append(columns, odds)
	}
	r := stackedOf(columns, labelsOf(x.in.Stream, list.samples()))
	if s.combo.Gated {
		r.gate = x.gateFeatures(list, columns[1], columns[2])
	}
	return r, nil
}

// stackedOf lays columns of log-odds out as rows, each behind a 1.
func stackedOf(columns [][]float64, labels []bool) stacked {
	r := stacked{width: 1 + len(columns), labels: labels}
	for i := range labels {
		r.x = append(r.x, 1)
		for _, c := range columns {
			r.x = append(r.x, c[i])
		}
	}
	return r
}

// sum adds up every row with weights.
func (r stacked) sum(w []float64) []float64 {
	out := make([]float64, len(r.labels))
	for i := range out {
		for j, v := range r.x[i*r.width : (i+1)*r.width] {
			out[i] += w[j] * v
		}
	}
	return out
}

// name is the part, and what it varies with: "long by pause".
func (c Coefficient) name() string {
	if c.By == "" {
		return c.Part
	}
	return c.Part + " by " + c.By
}

// CoefficientsText writes coefficients for people: "intercept -0.02, prior 0.97, long 0.31, long by pause 0.05".
func CoefficientsText(cs []Coefficient) string {
	var words []string
	for _, c := range cs {
		words = append(words, fmt.Sprintf("%s %.2f", c.name(), c.Value))
	}
	return strings.Join(words, ", ")
}
