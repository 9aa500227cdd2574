package strategy

import "fmt"

// fusion is LSAT-TA: the frozen long-term and the new short-term adapter fused into one. The paper's fusion is elementwise on
// the factors (FusePaper); the other kinds are variants.
type fusion struct {
	name    string
	kind    Kind
	periods int
}

func (s fusion) Name() string { return s.name }
func (s fusion) About() string {
	return fmt.Sprintf("one adapter, %s of the long-term one (frozen after D_0 … D_%d) and the short-term one, w by validation AUC on D_t", s.kind, s.periods-1)
}

func (s fusion) At(t int) (Combination, error) {
	l, err := longJob(s.name, s.periods, t)
	if err != nil {
		return Combination{}, err
	}
	return Combination{Kind: s.kind, Parts: []*Job{l, shortJob(t)}, Valid: t}, nil
}
