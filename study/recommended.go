package study

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lsat/baseline"
	"lsat/period"
	"lsat/recommender"
)

// errNoBackend says that a study was given nothing that recommenders could compute on.
var errNoBackend = errors.New("no backend for recommenders")

// tuned is a model that is trained further from period to period, and the period that it serves.
type tuned struct {
	model  *recommender.Model
	served int
}

// recommended returns a recommender's scores of the period that it serves. Training takes long, so the scores are kept under the hash of all that
// decides them, and an interrupted study does not train again what has served.
func (x *executor) recommended(ctx context.Context, ref reference, served int) (baseline.Model, error) {
	r, err := x.recommender(ref.recommender)
	if err != nil {
		return nil, err
	}
	s := x.in.Stream
	all := s.Periods[served].All
	path := filepath.Join(x.dir, "scores", x.recommendedKey(ref, r, served), "0000.f64")
	if odds, err := readScores(path, all.Len()); err == nil {
		return scored{all.Lo, odds}, nil
	}
	m, err := x.trained(ctx, ref, r, served)
	if err != nil {
		return nil, err
	}
	odds, err := m.ScoreContext(ctx, s, indices(all))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("study: %w", err)
	}
	return scored{all.Lo, odds}, writeScores(path, odds)
}

// recommendedKey is the hash of all that decides the scores.
func (x *executor) recommendedKey(ref reference, r *recommender.Recommender, served int) string {
	s := x.in.Stream
	begins := served
	if ref.finetune {
		begins = x.c.Periods.First
	}
	parts := []string{"recommender", r.Identity(), s.Set.Hash, fmt.Sprint(ref.finetune, begins, served, s.Options.ValidFraction)}
	for p := range served + 1 {
		parts = append(parts, s.HashRanges([]period.Range{s.Periods[p].All}))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}

// recommender opens a recommender, once.
func (x *executor) recommender(name string) (*recommender.Recommender, error) {
	if r, ok := x.recommenders[name]; ok {
		return r, nil
	}
	if x.in.Backend == nil {
		return nil, errNoBackend
	}
	b, err := x.in.Backend()
	if err != nil {
		return nil, err
	}
	r, err := recommender.New(name, b, recommender.Options{})
	if err != nil {
		return nil, err
	}
	x.recommenders[name] = r
	return r, nil
}

// trained returns the model that serves a period: fitted on all before it, or trained further from the one that served the period before. The first of
// those is fitted on all before the study's first test period. The newest period's validation part stops the training.
func (x *executor) trained(ctx context.Context, ref reference, r *recommender.Recommender, served int) (*recommender.Model, error) {
	s := x.in.Stream
	newest := s.Periods[served-1]
	first := !ref.finetune || served <= x.c.Periods.First
	learnt := []period.Range{{Lo: 0, Hi: newest.Train.Hi}}
	if !first { // as the strategy finetune: D_t's training part, and the validation part that the model before has not learnt from
		learnt = []period.Range{s.Periods[served-2].Valid, newest.Train}
	}
	valid := []period.Range{newest.Valid}
	if err := s.AuditRanges(learnt, valid, []period.Range{s.Periods[served].All}); err != nil {
		return nil, err
	}
	parts := recommender.Parts{Train: period.Expand(learnt), Valid: period.Expand(valid)}
	var m *recommender.Model
	var err error
	if first {
		m, err = r.Fit(ctx, s, parts)
	} else {
		before := x.tuned[ref.name]
		if before.model == nil || before.served != served-1 {
			if before.model, err = x.trained(ctx, ref, r, served-1); err != nil {
				return nil, err
			}
		}
		m, err = before.model.Update(ctx, s, parts)
	}
	if err != nil {
		return nil, err
	}
	if ref.finetune {
		x.tuned[ref.name] = tuned{m, served}
	}
	return m, nil
}
