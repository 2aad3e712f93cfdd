// Cell renderers of the grids. React is the one that Dash loads.
(function () {
    const renderers = (window.dashAgGridComponentFunctions =
        window.dashAgGridComponentFunctions || {});
    const element = (...parts) => React.createElement(...parts);

    // Follow a link inside the dashboard without loading the page anew, as dcc.Link does.
    function follow(event, address) {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) {
            return;
        }
        event.preventDefault();
        window.history.pushState({}, "", address);
        window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
        window.scrollTo(0, 0);
    }

    renderers.RunLink = (props) =>
        element(
            "a",
            {
                href: props.data.link,
                className: "grid-link",
                onClick: (event) => follow(event, props.data.link),
            },
            props.value
        );

    renderers.StateBadge = (props) =>
        element(
            "span",
            {
                className: "state-badge",
                style: {
                    color: `var(--mantine-color-${props.data.colour}-light-color)`,
                    background: `var(--mantine-color-${props.data.colour}-light)`,
                },
            },
            props.value
        );

    renderers.ProgressBar = (props) =>
        element(
            "div",
            { className: "grid-progress" },
            element(
                "div",
                { className: "grid-progress-track" },
                element("div", {
                    className: "grid-progress-bar",
                    style: {
                        width: `${props.value}%`,
                        background: `var(--mantine-color-${props.data.colour}-filled)`,
                    },
                })
            ),
            element("span", null, `${Math.floor(props.value)} %`)
        );

    renderers.SubspaceDot = (props) =>
        element(
            "span",
            { className: "subspace-dot-cell" },
            element("span", {
                className: "subspace-dot",
                style: { background: props.data.colour },
            }),
            props.value
        );
})();
