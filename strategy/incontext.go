package strategy

// InContext asks the bare backbone: all that it knows of a user is the history in the prompt, and nothing is trained (BookGPT's way, one
// of the paper's rivals). Like every strategy it is asked by the study's template, so that what an adapter is worth can be told from what the prompt is.
const InContext = "in-context"

// zeroShotName is another name of InContext, after the number of examples that the backbone has been trained on.
const zeroShotName = "zero-shot"

type inContext struct{ name string }

func (s inContext) Name() string { return s.name }
func (inContext) About() string {
	return "the bare backbone, which knows of a user what the prompt shows of the history; no adapter, no training"
}

func (inContext) At(t int) (Combination, error) { return Combination{Kind: Bare, Valid: t}, nil }

// trainsNothing says that a name is one of the bare backbone, which cannot be trained on top of a prior.
func trainsNothing(name string) bool { return name == InContext || name == zeroShotName }
