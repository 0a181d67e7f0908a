// The form that writes the search language. (search.css, i18n/search.*.json)

export function SearchOptions({ onClose }: { onClose: () => void }) {
	return <form class="search-options" onReset={onClose} />;
}
