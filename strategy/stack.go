package strategy

import "fmt"

// stack puts three memories together: a prior from counting, which every rating updates, the frozen long-term adapter and the
// short-term one. Their log-odds are added up with coefficients fitted on what had been served in the periods before: the long-term adapter and the short-term
// adapter of t-1 on D_t, and so on back to the study's first test period. That asks how the parts do on the next period, which no
// validation part of their own period tells; it is the paper's open question about merging for the next period. At the study's first
// update nothing has been served yet, and the validation part of D_t has to do.
type stack struct {
	name        string
	long, short bool
	// gated lets the coefficients vary from sample to sample: with how often the item has been rated, how long ago the user came, and how far the
	// adapters disagree. It takes both adapters.
	gated bool
	o     Options
}

func (s stack) Name() string { return s.name }

func (s stack) About() string {
	parts := "the prior"
	if s.long {
		parts += fmt.Sprintf(", the long-term adapter (frozen after D_0 … D_%d)", s.o.LongPeriods-1)
	}
	if s.short {
		parts += ", the short-term adapter"
	}
	how := "coefficients"
	if s.gated {
		how = "coefficients that vary with the item's count, the user's pause and the adapters' disagreement,"
	}
	return "sum of the log-odds of " + parts + ", with " + how + " fitted on what served the periods up to D_t"
}

func (s stack) At(t int) (Combination, error) {
	parts, names, err := s.parts(t)
	if err != nil {
		return Combination{}, err
	}
	c := Combination{Kind: Stack, Parts: parts, Names: names, Gated: s.gated, Valid: t}
	c.Past, err = servedBefore(s.o.First, t, func(u int) ([]*Job, error) {
		served, _, err := s.parts(u)
		return served, err
	})
	if err != nil {
		return Combination{}, err
	}
	return c, nil
}

func (s stack) parts(t int) (jobs []*Job, names []string, err error) {
	if s.long {
		l, err := longJob(s.name, s.o.LongPeriods, t)
		if err != nil {
			return nil, nil, err
		}
		jobs, names = append(jobs, l), append(names, "long")
	}
	if s.short {
		jobs, names = append(jobs, shortJob(t)), append(names, "short")
	}
	return jobs, names, nil
}
