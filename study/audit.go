package study

import (
	"context"
	"fmt"

	"lsat/period"
	"lsat/strategy"
)

// Audit does what Run does with a stream before it opens a model: it proves that no sample is learnt from or chosen on at or after the moment it is
// tested on, and that every part that a strategy needs is usable. It returns what was looked at, in one line. Errors: ErrUnusable,
// period.ErrLeak, period.ErrInconsistent, and the context's.
func Audit(ctx context.Context, c Config, s *period.Stream) (string, error) {
	_, report, err := audit(ctx, c, newLister(c, s))
	return report, err
}

// audit plans the study, and audits the stream and every use of a part that the plan makes.
func audit(ctx context.Context, c Config, l *lister) ([]step, string, error) {
	steps, err := plan(c)
	if err != nil {
		return nil, "", err
	}
	r, err := l.stream.Audit(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("study: %w", err)
	}
	if err := checkParts(c, l, steps); err != nil {
		return nil, "", err
	}
	uses, err := l.auditUses(ctx, steps)
	if err != nil {
		return nil, "", err
	}
	return steps, fmt.Sprintf("%s; %d uses of a job by a test audited", r, uses), ctx.Err()
}

// auditUses audits every pair of a job, or of a part that something is chosen on, and a test. It returns how many pairs of a job and the test of what
// it serves there are.
func (l *lister) auditUses(ctx context.Context, steps []step) (int, error) {
	uses, audited := map[string]bool{}, map[string]bool{}
	use := func(j *strategy.Job, test *sampleList) error {
		name := j.ID() + "/" + test.name
		if audited[name] {
			return nil
		}
		audited[name] = true
		return l.stream.AuditRanges(l.train(j).ranges, l.valid(j.Valid).ranges, test.ranges)
	}
	for _, s := range steps {
		test := l.test(s.test())
		if err := l.stream.AuditRanges(nil, l.valid(s.combo.Valid).ranges, test.ranges); err != nil {
			return 0, fmt.Errorf("study: %s on period %d: %w", s.strategy.Name(), s.test(), err)
		}
		for _, p := range s.combo.Past { // what a stack is fitted on
			served := l.test(p.Test)
			if err := l.stream.AuditRanges(nil, served.ranges, test.ranges); err != nil {
				return 0, fmt.Errorf("study: %s on period %d: %w", s.strategy.Name(), s.test(), err)
			}
			for _, j := range p.Parts {
				if err := use(j, served); err != nil {
					return 0, fmt.Errorf("study: job %s, fitted with on period %d: %w", j.ID(), p.Test, err)
				}
			}
		}
		for _, j := range s.combo.Jobs() {
			uses[j.ID()+"/"+test.name] = true
			if err := use(j, test); err != nil {
				return 0, fmt.Errorf("study: job %s, tested on period %d: %w", j.ID(), s.test(), err)
			}
			if err := context.Cause(ctx); err != nil {
				return 0, err
			}
		}
	}
	return len(uses), nil
}
