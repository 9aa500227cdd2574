package period

// Options say how interactions become samples and periods. The zero value of a field means its default.
type Options struct {
	// Threshold is the smallest rating that counts as liked. Default 4.
	Threshold float32
	// History is how many previous interactions of the user a sample looks at. Default 10.
	History int
	// MinHistory is how many previous interactions a sample needs to exist at all. Default History.
	MinHistory int
	// Newest keeps only the newest N samples. 0 keeps all.
	Newest int
	// Count is the number of periods: of equally many samples each, or of equal time with EqualTime. Default 20.
	Count int
	// EqualTime cuts periods of equal length in time.
	EqualTime bool
	// Boundaries, if given, are the start times (Unix seconds) of every period after the first, and replace Count.
	Boundaries []int64
	// ValidFraction is the share of each period's samples, its newest, that validates. Default 0.1.
	ValidFraction float64
}
