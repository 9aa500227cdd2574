package strategy

import "fmt"

// ensemble is LSAT-EN with a frozen long-term adapter: EN(10) of the paper is lsat-ensemble-10.
type ensemble struct{ periods int }

func (s ensemble) Name() string { return fmt.Sprintf("lsat-ensemble-%d", s.periods) }
func (s ensemble) About() string {
	return fmt.Sprintf("w*p_long + (1-w)*p_short, the long-term adapter frozen after D_0 … D_%d, w by validation AUC on D_t", s.periods-1)
}

func (s ensemble) At(t int) (Combination, error) {
	l, err := longJob(s.Name(), s.periods, t)
	if err != nil {
		return Combination{}, err
	}
	return Combination{Kind: Ensemble, Parts: []*Job{l, shortJob(t)}, Valid: t}, nil
}

// ensembleFull is the paper's EN(full): the long-term adapter is retrained on D_0 … D_t, the job of full retraining.
type ensembleFull struct{}

func (ensembleFull) Name() string { return "lsat-ensemble-full" }
func (ensembleFull) About() string {
	return "w*p_long + (1-w)*p_short, the long-term adapter retrained on D_0 … D_t, w by validation AUC on D_t"
}

func (ensembleFull) At(t int) (Combination, error) {
	return Combination{Kind: Ensemble, Parts: []*Job{fresh(0, t), shortJob(t)}, Valid: t}, nil
}

// ensembleServed is LSAT-EN with the weight that would have served best so far: the parts of every earlier update on the period that they served, back to
// the study's first test period. The validation part of D_t flatters the short-term adapter, which has been trained on D_t; what is asked of it is the
// next period, the paper's open question. At the study's first update nothing has been served, and the validation part decides.
type ensembleServed struct{ o Options }

func (ensembleServed) Name() string { return "lsat-ensemble-served" }
func (s ensembleServed) About() string {
	return fmt.Sprintf("w*p_long + (1-w)*p_short, the long-term adapter frozen after D_0 … D_%d, w by mean AUC on the periods up to D_t, each with the parts that served it",
		s.o.LongPeriods-1)
}

func (s ensembleServed) At(t int) (Combination, error) {
	c, err := ensemble{s.o.LongPeriods}.At(t)
	if err != nil {
		return c, fmt.Errorf("%s: %w", s.Name(), err)
	}
	c.Past, err = servedBefore(s.o.First, t, func(u int) ([]*Job, error) {
		past, err := ensemble{s.o.LongPeriods}.At(u)
		return past.Parts, err
	})
	if err != nil {
		return c, fmt.Errorf("%s: %w", s.Name(), err)
	}
	return c, nil
}
