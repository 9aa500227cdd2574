package study

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sort"

	"lsat/baseline"
	"lsat/period"
	"lsat/prompt"
)

// fit returns a reference fitted for serving a period: on all earlier periods, or on the one before alone. The audit sees to it that
// nothing of the served period takes part.
func (x *executor) fit(ctx context.Context, r reference, served int) (baseline.Model, error) {
	name := fmt.Sprintf("%s/%d", r.name, served)
	if m, ok := x.fitted[name]; ok {
		return m, nil
	}
	fit := x.counted
	switch {
	case r.parts != nil:
		fit = x.blended
	case r.recommender != "":
		fit = x.recommended
	}
	m, err := fit(ctx, r, served)
	if err != nil {
		return nil, err
	}
	x.fitted[name] = m
	return m, nil
}

// counted fits a baseline for serving a period.
func (x *executor) counted(ctx context.Context, r reference, served int) (baseline.Model, error) {
	s := x.in.Stream
	from := 0
	if r.newest {
		from = s.Periods[served-1].All.Lo
	}
	learnt := period.Range{Lo: from, Hi: s.Periods[served-1].All.Hi}
	if err := s.AuditRanges([]period.Range{learnt}, nil, []period.Range{s.Periods[served].All}); err != nil {
		return nil, err
	}
	return x.learnt(ctx, r, served, learnt)
}

// cumulative is a reference that learns on, and the periods that it has learnt.
type cumulative struct {
	baseline.Learner
	periods int
}

// learnt fits a baseline to the samples before the served period. One that can learn on goes through them once for the whole study, and is fitted for
// every period on its way: what served those will be asked for, too.
func (x *executor) learnt(ctx context.Context, r reference, served int, learnt period.Range) (baseline.Model, error) {
	c, ok := r.model.(baseline.Cumulative)
	if !ok || r.newest {
		return r.model.Fit(x.in.Stream, indices(learnt))
	}
	l := x.learners[r.name]
	if l == nil || l.periods > served {
		learner, err := c.Begin(x.in.Stream)
		if err != nil {
			return nil, err
		}
		l = &cumulative{Learner: learner}
		x.learners[r.name] = l
	}
	for ; l.periods < served; l.periods++ {
		if l.periods > 0 {
			// Where there is nothing to fit yet, whoever asks for that model will hear so.
			if _, err := x.fit(ctx, r, l.periods); err != nil && !errors.Is(err, baseline.ErrOneClass) {
				return nil, err
			}
		}
		if err := l.Learn(indices(x.in.Stream.Periods[l.periods].All)); err != nil {
			return nil, err
		}
	}
	return l.Model()
}

// priorOdds returns the prior's log-odds of samples. Those of period p come from the prior as it served period p, fitted on D_0 …
// D_{p-1}: in training, too, it is as fresh as it will be when it serves. Nothing comes before period 0; there each sample has the score that the
// samples before it gave, where the prior can tell (baseline.Prequential), else the share of likes in its own history.
func (x *executor) priorOdds(ctx context.Context, samples []int) ([]float64, error) {
	ref, err := newReference(x.c.Prior)
	if err != nil {
		return nil, fmt.Errorf("study: prior: %w", err)
	}
	// A stack asks for all that served before at every update, so each sample is scored once.
	missing := map[int][]int{} // by period
	for _, i := range samples {
		if _, ok := x.priors[i]; !ok {
			p := periodOf(x.in.Stream, i)
			missing[p] = append(missing[p], i)
		}
	}
	for p, part := range missing {
		m, err := x.served(ctx, ref, p)
		if err != nil {
			return nil, fmt.Errorf("study: prior %s on period %d: %w", x.c.Prior, p, err)
		}
		odds, err := m.Score(x.in.Stream, part)
		if err != nil {
			return nil, fmt.Errorf("study: prior %s on period %d: %w", x.c.Prior, p, err)
		}
		for n, i := range part {
			if math.IsNaN(odds[n]) || math.IsInf(odds[n], 0) {
				return nil, fmt.Errorf("study: prior %s gives sample %d the log-odds %v", x.c.Prior, i, odds[n])
			}
			x.priors[i] = odds[n]
		}
	}
	out := make([]float64, len(samples))
	for k, i := range samples {
		out[k] = x.priors[i]
	}
	return out, nil
}

// served is the reference as it serves a period.
func (x *executor) served(ctx context.Context, r reference, p int) (baseline.Model, error) {
	if p > 0 {
		return x.fit(ctx, r, p)
	}
	pq, ok := r.model.(baseline.Prequential)
	if !ok {
		return baseline.History{}, nil
	}
	name := r.name + "/0"
	if m, ok := x.fitted[name]; ok {
		return m, nil
	}
	first := x.in.Stream.Periods[0].All
	_, odds, err := pq.FitScore(x.in.Stream, indices(first))
	if err != nil {
		return nil, err
	}
	x.fitted[name] = scored{first.Lo, odds}
	return x.fitted[name], nil
}

// scored is a model that knows the scores of the samples from lo on, and no others.
type scored struct {
	lo   int
	odds []float64
}

func (s scored) Score(_ *period.Stream, samples []int) ([]float64, error) {
	out := make([]float64, len(samples))
	for k, i := range samples {
		if i < s.lo || i >= s.lo+len(s.odds) {
			return nil, fmt.Errorf("sample %d has no prequential score", i)
		}
		out[k] = s.odds[i-s.lo]
	}
	return out, nil
}

// periodOf is the period that a sample lies in.
func periodOf(s *period.Stream, sample int) int {
	for p := range s.Periods {
		if sample < s.Periods[p].All.Hi {
			return p
		}
	}
	return len(s.Periods) - 1
}

// bareKey stands for the adapter where there is none.
const bareKey = "bare"

// bareName is the planned name of scoring a list without an adapter.
func bareName(list *sampleList) string { return bareKey + "/" + list.name }

// bareOdds are the log-odds of the backbone without any adapter. What it says of a sample before it has been adapted is no evidence, and as large as a prior's
// own log-odds: on top of a prior, an adapter counts by how much it moves them, so that a fresh one leaves the prior as it is.
func (x *executor) bareOdds(ctx context.Context, list *sampleList) ([]float64, error) {
	return x.scores(ctx, bareName(list), fmt.Sprintf("scoring %s with the bare backbone", list.name), bareKey, nil, list)
}

// onPrior is a list's sequences with offsets, the prior's log-odds less the bare backbone's, and the hash of those.
func (x *executor) onPrior(ctx context.Context, list *sampleList, src prompt.Source) (prompt.Source, string, error) {
	samples := list.samples()
	odds, err := x.priorOdds(ctx, samples)
	if err != nil {
		return nil, "", err
	}
	bare, err := x.bareOdds(ctx, list)
	if err != nil {
		return nil, "", err
	}
	offsets := make([]float32, len(odds))
	h := sha256.New()
	for k, v := range odds {
		offsets[k] = float32(v - bare[k])
		b := binary.LittleEndian.AppendUint32(nil, uint32(samples[k]))
		_, _ = h.Write(binary.LittleEndian.AppendUint32(b, math.Float32bits(offsets[k]))) // a hash takes everything
	}
	src = prompt.WithOffsets(src, func(sample int32) float32 { return offsets[sort.SearchInts(samples, int(sample))] })
	return src, hex.EncodeToString(h.Sum(nil)), nil
}
