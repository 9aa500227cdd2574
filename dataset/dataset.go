// Package dataset reads recommendation data sets (ratings and item texts) from the file formats people publish them in,
// and gets public data sets and models by name.
package dataset

// Interaction is one rating event.
type Interaction struct {
	// Time is the event's time in Unix seconds.
	Time int64
	// User and Item are indices into Set.Users and Set.Items.
	User, Item int32
	// Rating is the rating as it stands in the file, on the set's own scale.
	Rating float32
}

// Item is what is known about an item.
type Item struct {
	// ID is the item's identifier in the source file.
	ID string
	// Title is the text that a prompt shows for the item.
	Title string
	// Categories are the item's genres or categories, if the source has them.
	Categories []string
}

// Set is a data set in memory. Interactions are in time order; events of the same second keep the order of the file, so the
// index of an interaction is its place in one total order, and "before" always means "smaller index".
type Set struct {
	// Name says what the set is, e.g. "ml-1m".
	Name string
	// Hash is the SHA-256, in hex, of the interactions and item texts as read.
	Hash string
	// Users holds the users' identifiers in the source.
	Users []string
	// Items holds the items.
	Items []Item
	// Interactions holds every event, in time order.
	Interactions []Interaction
	// Skipped counts the bad lines that were passed over (see Options.MaxBad).
	Skipped int
}
